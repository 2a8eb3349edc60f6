//! `pawl id`: the UUID in an id, and the ids of a UUID.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use authz::id::{Audit, Key, User};
use clap::Args;
use clap::builder::PossibleValuesParser;
use contracts::id::{Attempt, Delivery, Dispute, EventId, Job, Payment, Refund, WebhookEndpoint};
use infra::id::{Account, Id, Tag};
use uuid::Uuid;

use crate::output;

/// All ids with a UUID.
const KINDS: [Kind; 11] = [
    kind::<Payment>("payment"),
    kind::<Attempt>("attempt"),
    kind::<Refund>("refund"),
    kind::<Dispute>("dispute"),
    kind::<Job>("job"),
    kind::<WebhookEndpoint>("webhook endpoint"),
    kind::<Delivery>("delivery"),
    kind::<Account>("account"),
    kind::<User>("user"),
    kind::<Key>("API key"),
    kind::<Audit>("audit record"),
];

/// Prints the UUID of an id, as the database and the logs have it, or the ids of a UUID.
///
/// `pawl id pay_01h2xcejqtf2nbrexx3vqjhp41` prints the UUID. `pawl id evt_01h2xcejqtf2nbrexx3vqjhp41_7` prints the stream and
/// the version of an event. `pawl id 0188bac7-4afa-78aa-bc3b-bd1eef28d881` prints the id under every prefix.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// An id of Pawl, or a UUID.
    #[arg(value_name = "ID|UUID")]
    id: String,
    /// Prints only the id with this prefix.
    #[arg(long = "as", value_name = "PREFIX", value_parser = PossibleValuesParser::new(KINDS.map(|kind| kind.prefix)))]
    prefix: Option<String>,
}

/// Prints the answer.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    output::line(answer(&options.id, options.prefix.as_deref())?);
    Ok(ExitCode::SUCCESS)
}

/// A kind of id.
struct Kind {
    prefix: &'static str,
    name: &'static str,
    parse: fn(&str) -> Option<Uuid>,
    format: fn(Uuid) -> String,
}

const fn kind<T: Tag>(name: &'static str) -> Kind {
    Kind {
        prefix: T::TYPE,
        name,
        parse: |text| text.parse::<Id<T>>().ok().map(|id| id.uuid()),
        format: |uuid| Id::<T>::from(uuid).to_string(),
    }
}

fn answer(text: &str, prefix: Option<&str>) -> Result<String> {
    if let Ok(event) = text.parse::<EventId>() {
        if prefix.is_some() {
            bail!("{text} is the id of an event: --as needs a UUID, or an id with a UUID");
        }
        let stream = event.payment.uuid();
        return Ok(format!(
            "stream   {stream}  {}\nversion  {}",
            event.payment, event.version
        ));
    }
    if let Some(uuid) = KINDS.iter().find_map(|kind| (kind.parse)(text)) {
        return Ok(prefix.map_or_else(|| uuid.to_string(), |prefix| ids(uuid, Some(prefix))));
    }
    let uuid = Uuid::parse_str(text).with_context(|| {
        let prefixes = KINDS.map(|kind| format!("{}_…", kind.prefix)).join(", ");
        format!("{text} is neither a UUID nor an id of Pawl ({prefixes}, evt_…_7)")
    })?;
    Ok(ids(uuid, prefix))
}

/// The id of this UUID under this prefix, or under each one with the name of its kind.
fn ids(uuid: Uuid, prefix: Option<&str>) -> String {
    let Some(prefix) = prefix else {
        return KINDS
            .map(|kind| format!("{:<31} {}", (kind.format)(uuid), kind.name))
            .join("\n");
    };
    let kinds = KINDS.iter().filter(|kind| kind.prefix == prefix);
    kinds.map(|kind| (kind.format)(uuid)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop here")]

    use super::*;

    const UUID: &str = "01889d89-df3a-7aea-bc61-bd1eefb8d881";

    fn payment() -> String {
        Id::<Payment>::from(Uuid::parse_str(UUID).unwrap()).to_string()
    }

    #[test]
    fn an_id_gives_its_uuid_and_the_uuid_gives_the_id() {
        let payment = payment();
        assert_eq!(answer(&payment, None).unwrap(), UUID);
        assert_eq!(answer(UUID, Some("pay")).unwrap(), payment);
    }

    #[test]
    fn a_uuid_without_hyphens_is_read_as_traces_have_it() {
        assert_eq!(
            answer(&UUID.replace('-', ""), Some("pay")).unwrap(),
            payment()
        );
    }

    #[test]
    fn a_uuid_alone_gives_the_id_of_every_kind() {
        let all = answer(UUID, None).unwrap();
        let lines: Vec<&str> = all.lines().collect();
        assert_eq!(lines.len(), KINDS.len());
        for (line, kind) in lines.iter().zip(KINDS) {
            let id = line.split(' ').next().unwrap();
            assert!(id.starts_with(&format!("{}_", kind.prefix)), "{line}");
            assert_eq!(answer(id, None).unwrap(), UUID, "{line}");
        }
    }

    #[test]
    fn an_event_gives_its_stream_and_its_version() {
        let payment = payment();
        let event = format!("{}_7", payment.replace("pay_", "evt_"));
        assert_eq!(
            answer(&event, None).unwrap(),
            format!("stream   {UUID}  {payment}\nversion  7")
        );
        assert!(answer(&event, Some("pay")).is_err());
    }

    #[test]
    fn an_id_under_another_prefix_keeps_its_uuid() {
        let attempt = answer(&payment(), Some("att")).unwrap();
        assert_eq!(attempt, payment().replace("pay_", "att_"));
    }

    #[test]
    fn text_that_is_no_id_is_refused_with_the_forms_of_ids() {
        for text in [
            "",
            "pay_",
            "pay_1",
            "re_3Nxyz",
            "evt_1",
            "tx_01h2xcejqtf2nbrexx3vqjhp41",
            "12",
        ] {
            let error = answer(text, None).unwrap_err().to_string();
            assert!(
                error.contains("neither a UUID") && error.contains("pay_…"),
                "{error}"
            );
        }
    }
}
