//! The rules of what merchants say about their webhook endpoints.

use contracts::webhook::{
    CreateWebhookEndpoint, LONGEST_DESCRIPTION, LONGEST_OVERLAP_SECONDS, MOST_EVENT_FILTERS,
    RotateSecret, UpdateWebhookEndpoint, is_event_filter,
};
use infra::http::RequestError;

use super::check::{Checked, check_text};

impl Checked for CreateWebhookEndpoint {
    fn check(&self) -> Result<(), RequestError> {
        description(self.description.as_deref())?;
        event_filters(self.enabled_events.as_deref())
    }
}

impl Checked for UpdateWebhookEndpoint {
    fn check(&self) -> Result<(), RequestError> {
        description(self.description.as_deref())?;
        event_filters(self.enabled_events.as_deref())
    }
}

impl Checked for RotateSecret {
    fn check(&self) -> Result<(), RequestError> {
        match self.expires_in {
            Some(seconds) if !(0..=LONGEST_OVERLAP_SECONDS).contains(&seconds) => {
                Err(RequestError::field(
                    "expires_in",
                    format!("This must be from 0 to {LONGEST_OVERLAP_SECONDS} seconds."),
                ))
            }
            _ => Ok(()),
        }
    }
}

fn description(value: Option<&str>) -> Result<(), RequestError> {
    value.map_or(Ok(()), |value| {
        check_text("description", value, LONGEST_DESCRIPTION)
    })
}

fn event_filters(filters: Option<&[String]>) -> Result<(), RequestError> {
    let Some(filters) = filters else {
        return Ok(());
    };
    if !(1..=MOST_EVENT_FILTERS).contains(&filters.len()) {
        return Err(RequestError::field(
            "enabled_events",
            format!("Name 1 to {MOST_EVENT_FILTERS} types of events, or * for all."),
        ));
    }
    if filters.iter().all(|filter| is_event_filter(filter)) {
        Ok(())
    } else {
        Err(RequestError::field(
            "enabled_events",
            "These must be types of events such as payment.succeeded, payment.* and the like, or *.",
        ))
    }
}
