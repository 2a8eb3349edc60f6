//! Text from outside, made such that Postgres can hold it: Postgres holds Unicode without NUL, while JSON may carry NUL and
//! half a surrogate pair. NUL is left out; what is no Unicode becomes U+FFFD. All other text stays as it is.

use std::borrow::Cow;

/// What stands for text that is no Unicode, as JSON writes it.
const REPLACEMENT: &str = "\\ufffd";

/// A JSON document whose strings can be stored. What is no JSON stays no JSON.
#[must_use]
pub fn json(bytes: &[u8]) -> Cow<'_, [u8]> {
    let text = match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) if !text.contains("\\u") => return Cow::Borrowed(bytes),
        text => text,
    };
    Cow::Owned(unescape(&text).into_bytes())
}

/// Text that can be stored.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    text.retain(|letter| letter != '\0');
    text
}

/// The text with each escape that cannot be stored left out or replaced.
fn unescape(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    // Outside of strings JSON has no backslash, so that each one begins an escape.
    while let Some(start) = rest.find('\\') {
        let (before, escape) = rest.split_at(start);
        kept.push_str(before);
        let length = match unit(escape) {
            Some(0) => 6,
            Some(0xd800..=0xdbff) => {
                if let Some(0xdc00..=0xdfff) = escape.get(6..).and_then(unit) {
                    kept.push_str(escape.get(..12).unwrap_or_default());
                    12
                } else {
                    kept.push_str(REPLACEMENT);
                    6
                }
            }
            Some(0xdc00..=0xdfff) => {
                kept.push_str(REPLACEMENT);
                6
            }
            Some(_) => {
                kept.push_str(escape.get(..6).unwrap_or_default());
                6
            }
            None => {
                let length = 1 + escape[1..].chars().next().map_or(0, char::len_utf8);
                kept.push_str(&escape[..length]);
                length
            }
        };
        rest = &escape[length..];
    }
    kept.push_str(rest);
    kept
}

/// The code unit of an escape `\uXXXX` at the beginning of the text.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit())
        .then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{json, text};

    #[test]
    fn nul_is_left_out_and_half_a_pair_is_replaced() {
        for (sent, stored) in [
            (r#""plain""#, "plain"),
            (r#""Declined by BANK\u0000\u0000""#, "Declined by BANK"),
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\uDE00 low""#, "\u{fffd} low"),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\ud83d\u0000\ude00""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\\u0000 \\\u0000\n\u00e9""#, "\\u0000 \\\né"),
        ] {
            let read: Value = serde_json::from_slice(&json(sent.as_bytes())).unwrap();
            assert_eq!(read, stored, "{sent}");
        }
        let read: Value = serde_json::from_slice(&json(b"{\"a\\u0000\": \"\xff\"}")).unwrap();
        assert_eq!(read, serde_json::json!({"a": "\u{fffd}"}));
    }

    #[test]
    fn what_is_no_json_stays_no_json() {
        for sent in [
            r#""\u12"#,
            r#""\u"#,
            "\"\\",
            r#""\uzzzz""#,
            r#""\u00e"#,
            "\"\\u0é0\"",
        ] {
            let stored = json(sent.as_bytes());
            assert!(serde_json::from_slice::<Value>(&stored).is_err(), "{sent}");
        }
    }

    #[test]
    fn bytes_become_text() {
        assert_eq!(text(b"a\0b\xff"), "ab\u{fffd}");
    }
}
