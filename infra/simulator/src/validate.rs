//! The form that Stripe requires of a text in a parameter.

use hyper::Uri;

use crate::form::{Form, check_length};
use crate::objects::payment_method;
use crate::objects::payment_method::PaymentMethod;
use crate::refusal::Refusal;

/// Stripe's limit of a description.
pub(crate) const DESCRIPTION_LENGTH: usize = 1_000;
/// Stripe's limit of an e-mail address.
const EMAIL_LENGTH: usize = 512;
/// Stripe's limit of a statement descriptor.
const DESCRIPTOR_LENGTH: usize = 22;

/// Reads the text `name` of up to `longest` characters.
pub(crate) fn text(form: &Form, name: &str, longest: usize) -> Result<Option<String>, Refusal> {
    let text = form.owned(name);
    check_length(name, text.as_deref().unwrap_or_default(), longest)?;
    Ok(text)
}

/// Reads the text `name`, which must be one of `choices`.
pub(crate) fn choice(form: &Form, name: &str, choices: &[&str]) -> Result<Option<String>, Refusal> {
    match form.text(name) {
        Some(text) if !choices.contains(&text) => {
            let message = format!("Invalid {name}: must be one of {}", choices.join(", "));
            Err(Refusal::invalid(message).at(name))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

/// Finds the test payment method called `name`; Stripe answers 400, not 404, for one that it does not know.
pub(crate) fn payment_method(name: &str) -> Result<PaymentMethod, Refusal> {
    payment_method::find(name).ok_or_else(|| {
        let message = format!("No such PaymentMethod: '{name}'");
        Refusal::parameter("resource_missing", "payment_method", message)
    })
}

/// Reads the e-mail address `name`; Stripe refuses a form that no mail server delivers, and everything but ASCII.
pub(crate) fn email(form: &Form, name: &str) -> Result<Option<String>, Refusal> {
    let Some(email) = text(form, name, EMAIL_LENGTH)? else {
        return Ok(None);
    };
    if is_email(&email) {
        return Ok(Some(email));
    }
    let message = format!("Invalid email address: {email}");
    Err(Refusal::parameter("email_invalid", name, message))
}

fn is_email(email: &str) -> bool {
    let Some((local, domain)) = email.rsplit_once('@') else {
        return false;
    };
    let is_atom = |atom: &str| {
        let allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        !atom.is_empty() && atom.bytes().all(allowed)
    };
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = domain.rsplit('.').next().unwrap_or_default();
    local.len() <= 64
        && local.split('.').all(is_atom)
        && domain.contains('.')
        && domain.split('.').all(is_label)
        && top.len() >= 2
        && !top.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads the statement descriptor `name`: up to 22 Latin characters with at least one letter, none of `< > \ ' " *`.
pub(crate) fn descriptor(form: &Form, name: &str) -> Result<Option<String>, Refusal> {
    let Some(descriptor) = text(form, name, DESCRIPTOR_LENGTH)? else {
        return Ok(None);
    };
    let refuse = |rule: &str| Err(Refusal::invalid(format!("Invalid {name}: it {rule}.")).at(name));
    if descriptor.contains(['<', '>', '\\', '\'', '"', '*']) {
        return refuse(r#"may not contain any of < > \ ' " *"#);
    }
    if !descriptor.chars().all(is_latin) {
        return refuse("may only contain Latin characters");
    }
    if !descriptor
        .chars()
        .any(|letter| letter.is_ascii_alphabetic())
    {
        return refuse("must contain at least one letter");
    }
    Ok(Some(descriptor))
}

/// Printable ASCII, and the letters of Latin-1 and Latin Extended.
fn is_latin(letter: char) -> bool {
    matches!(letter, ' '..='~' | '\u{c0}'..='\u{24f}')
}

/// Reads the absolute address `name`.
pub(crate) fn address(form: &Form, name: &str) -> Result<Option<String>, Refusal> {
    let Some(address) = form.owned(name) else {
        return Ok(None);
    };
    let scheme = address.split_once("://").map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(allowed)
    };
    if !scheme.is_some_and(is_scheme) {
        let message = "Invalid URL: An explicit scheme (such as https) must be provided.";
        return Err(Refusal::parameter("url_invalid", name, message));
    }
    // A fragment belongs to an address, but `Uri` refuses it.
    let before_fragment = address.split('#').next().unwrap_or_default();
    if before_fragment.parse::<Uri>().is_err() {
        return Err(Refusal::parameter("url_invalid", name, "Not a valid URL"));
    }
    Ok(Some(address))
}

#[cfg(test)]
mod tests {
    use super::{is_email, is_latin};

    #[test]
    fn an_email_address_has_one_domain_with_a_dot_and_no_empty_part() {
        for good in [
            "a@example.com",
            "first.last+tag@sub.example.co",
            "o'neil@ex-ample.com",
        ] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@example.com",
            "a@",
            "test@test",
            "a@example..com",
            "a..b@example.com",
            ".a@example.com",
            "a@.example.com",
            "a@example.com.",
            "a b@example.com",
            "a@b@example.com",
            "ü@example.com",
            "a@exämple.com",
            "a@-example.com",
            "a@1.2.3.4",
            "a@example.c",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn latin_characters_are_ascii_and_accented_letters() {
        assert!("MUG SHOP 7-UP é ß Ž".chars().all(is_latin));
        for other in ['М', 'λ', '店', '\n', '\u{7f}', '€', '\u{0}'] {
            assert!(!is_latin(other), "{other:?}");
        }
    }
}
