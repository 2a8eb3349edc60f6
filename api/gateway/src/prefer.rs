//! `Prefer: wait=N` (RFC 7240): the client waits for a result instead of asking again.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The longest wait that is honoured.
const MAX_SECONDS: u64 = 30;

const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Names the preference that was honoured.
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// A wait that a client asked for, at most 30 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(u64);

impl Wait {
    /// The wait in these headers. A preference that cannot be read is ignored, as the RFC asks.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(PREFER)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .find_map(|preference| {
                let preference = preference.split(';').next().unwrap_or_default();
                let (name, value) = preference.split_once('=')?;
                if !name.trim().eq_ignore_ascii_case("wait") {
                    return None;
                }
                let seconds: u64 = value.trim().trim_matches('"').parse().ok()?;
                (seconds > 0).then(|| Self(seconds.min(MAX_SECONDS)))
            })
    }

    /// How long it is.
    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// The value of `Preference-Applied`.
    pub(crate) fn applied(self) -> HeaderValue {
        HeaderValue::from_maybe_shared(axum::body::Bytes::from(format!("wait={}", self.0)))
            .unwrap_or_else(|_| HeaderValue::from_static("wait"))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::Wait;

    #[test]
    fn a_wait_is_read_as_the_rfc_writes_it() {
        for (header, seconds) in [
            ("wait=5", Some(5)),
            ("Wait = \"5\"", Some(5)),
            ("respond-async, wait=10", Some(10)),
            ("wait=7; foo=bar", Some(7)),
            ("wait=3600", Some(30)),
            ("wait=0", None),
            ("wait=-1", None),
            ("wait=soon", None),
            ("wait", None),
            ("return=minimal", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", HeaderValue::from_static(header));
            assert_eq!(Wait::from_headers(&headers), seconds.map(Wait), "{header}");
        }
    }
}
