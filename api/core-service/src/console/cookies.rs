//! The cookies of the console: the tokens of a session, and the secret of its forms.

use axum::http::{HeaderMap, HeaderValue, header};

/// The access token.
pub(super) const ACCESS: &str = "pawl_access";
/// The refresh token.
pub(super) const REFRESH: &str = "pawl_refresh";
/// The secret from which the value in each form is made.
pub(super) const FORMS: &str = "pawl_forms";

/// How long the secret of the forms stays in a browser: a day, as a session does.
pub(super) const FORMS_SECONDS: i64 = 86_400;

/// The value of a cookie. A name that comes twice counts as absent: a page of a neighbouring host could have set one of them.
pub(super) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(header::COOKIE).iter();
    let mut pairs = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(known, _)| *known == name);
    let (_, value) = pairs.next()?;
    (pairs.next().is_none() && !value.is_empty()).then_some(value)
}

/// A cookie that no script and no other site's request can use. `seconds` of 0 removes it.
pub(super) fn write(name: &str, value: &str, seconds: i64, over_tls: bool) -> Option<HeaderValue> {
    let secure = if over_tls { "; Secure" } else { "" };
    let cookie =
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&cookie).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::read;

    #[test]
    fn a_cookie_is_read_once_or_not_at_all() {
        for (text, expected) in [
            ("a=1; pawl_access=x.y; b=2", Some("x.y")),
            ("pawl_access=x", Some("x")),
            ("pawl_access=", None),
            ("pawl_access=x; pawl_access=y", None),
            ("other=x", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(text));
            assert_eq!(read(&headers, "pawl_access"), expected, "{text}");
        }
    }
}
