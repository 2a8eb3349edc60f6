//! The filters of lists: of payments `status`, `reference`, `amount`, `created` and `metadata[key]`, of refunds `payment`,
//! `status` and `created`, of disputes `payment` and `status`.

use std::str::FromStr;

use contracts::id::PaymentId;
use engine::{DisputeFilter, PaymentFilter, RefundFilter};
use infra::http::RequestError;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

/// The most pairs of metadata that a payment may have.
const MOST_METADATA: usize = 50;

/// Reads the parameters of a list that are not its page.
///
/// # Errors
/// If one of them is unknown or its value cannot be read.
pub(crate) fn parse(parameters: Vec<(String, String)>) -> Result<PaymentFilter, RequestError> {
    let mut filter = PaymentFilter::default();
    for (name, value) in parameters {
        if name.contains('\0') || value.contains('\0') {
            return Err(RequestError::parameter(
                "",
                "The query holds a character that no payment bears.",
            ));
        }
        match name.as_str() {
            "status" => filter.status = Some(status(&value)?),
            "reference" => filter.reference = Some(value),
            "amount" => {
                let amount = amount(&name, &value)?;
                filter.amount = (Some(amount), Some(amount));
            }
            "amount[gte]" => filter.amount.0 = Some(amount(&name, &value)?),
            "amount[lte]" => filter.amount.1 = Some(amount(&name, &value)?),
            "created[gte]" => filter.created.0 = Some(moment(name.as_str(), &value)?),
            "created[lt]" => filter.created.1 = Some(moment(name.as_str(), &value)?),
            _ => {
                let key = name
                    .strip_prefix("metadata[")
                    .and_then(|rest| rest.strip_suffix(']'))
                    .ok_or_else(|| RequestError::unknown_parameter(&name))?;
                if value.contains('\0') || key.contains('\0') {
                    return Err(RequestError::parameter(
                        name.as_str(),
                        "This holds a character that no metadata has.",
                    ));
                }
                filter.metadata.insert(key.to_owned(), value);
            }
        }
    }
    if filter.metadata.len() > MOST_METADATA {
        return Err(RequestError::parameter(
            "metadata",
            "Give at most 50 pairs.",
        ));
    }
    Ok(filter)
}

/// Reads the parameters of a list of refunds that are not its page.
///
/// # Errors
/// If one of them is unknown or its value cannot be read.
pub(crate) fn of_refunds(parameters: Vec<(String, String)>) -> Result<RefundFilter, RequestError> {
    let mut filter = RefundFilter::default();
    for (name, value) in parameters {
        match name.as_str() {
            "payment" => filter.payment = Some(payment(&value)?),
            "status" => filter.status = Some(status(&value)?),
            "created[gte]" => filter.created.0 = Some(moment(name.as_str(), &value)?),
            "created[lt]" => filter.created.1 = Some(moment(name.as_str(), &value)?),
            _ => return Err(RequestError::unknown_parameter(&name)),
        }
    }
    Ok(filter)
}

/// Reads the parameters of a list of disputes that are not its page.
///
/// # Errors
/// If one of them is unknown or its value cannot be read.
pub(crate) fn of_disputes(
    parameters: Vec<(String, String)>,
) -> Result<DisputeFilter, RequestError> {
    let mut filter = DisputeFilter::default();
    for (name, value) in parameters {
        match name.as_str() {
            "payment" => filter.payment = Some(payment(&value)?),
            "status" => filter.status = Some(status(&value)?),
            _ => return Err(RequestError::unknown_parameter(&name)),
        }
    }
    Ok(filter)
}

fn payment(text: &str) -> Result<Uuid, RequestError> {
    let id = text.parse::<PaymentId>().map_err(|_| {
        RequestError::parameter("payment", "This must be the id of a payment, pay_….")
    })?;
    Ok(id.uuid())
}

fn status<T: FromStr>(text: &str) -> Result<T, RequestError> {
    let status = text.parse();
    status.map_err(|_| RequestError::parameter("status", "There is no such status."))
}

fn amount(name: &str, text: &str) -> Result<i64, RequestError> {
    let amount = text.parse().ok().filter(|amount| *amount >= 0);
    amount.ok_or_else(|| {
        RequestError::parameter(
            name,
            "This must be a whole number of the currency's smallest unit.",
        )
    })
}

fn moment(name: &str, text: &str) -> Result<OffsetDateTime, RequestError> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok();
    // In UTC it must still be a year of four digits: at the edges an offset leads beyond them.
    let moment = moment
        .and_then(|moment| moment.checked_to_offset(UtcOffset::UTC))
        .filter(|moment| moment.year() >= 0);
    moment.ok_or_else(|| {
        RequestError::parameter(
            name,
            "This must be a time of RFC 3339, such as 2026-11-24T00:00:00Z.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_time_at_the_edge_of_its_type_is_read_or_refused() {
        for (text, is_read) in [
            ("0000-01-01T00:00:00Z", true),
            ("0000-01-01T00:00:00+00:01", false),
            ("9999-12-31T23:59:59Z", true),
            ("9999-12-31T23:59:59-00:01", false),
            ("9999-12-31T23:59:59+23:59", true),
        ] {
            for name in ["created[gte]", "created[lt]"] {
                let filter = parse(vec![(name.to_owned(), text.to_owned())]);
                assert_eq!(filter.is_ok(), is_read, "{name} {text}");
            }
        }
    }
}
