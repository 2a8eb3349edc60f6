//! Stripe's delivery rules for signatures.

use engine::webhook::signature::{NoSecret, SignatureError, Verifier, sign, verify};
use proptest::prelude::*;
use secrecy::SecretString;

const NOW: i64 = 1_790_000_000;
const BODY: &[u8] = br#"{"id":"evt_1","type":"payment_intent.succeeded"}"#;

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn check(header: &str) -> Result<(), SignatureError> {
    verify(BODY, header, &[secret("whsec_1")], NOW)
}

/// The `v1=…` part of a good header.
fn v1(name: &str) -> String {
    sign(BODY, &secret(name), NOW)
        .split_once(',')
        .unwrap()
        .1
        .to_owned()
}

#[test]
fn the_signature_is_the_one_that_stripe_makes() {
    // HMAC-SHA256("whsec_test_secret", "1492774577.{\"id\":\"evt_1\"}"), computed with Python's hmac.
    let header = "t=1492774577,v1=799c4ba7bb339f3c8601adfd112f0e477c930a268be1243d341abb8286501c2f";
    assert_eq!(
        sign(
            br#"{"id":"evt_1"}"#,
            &secret("whsec_test_secret"),
            1_492_774_577
        ),
        header
    );
}

#[test]
fn a_good_signature_is_believed() {
    assert_eq!(check(&sign(BODY, &secret("whsec_1"), NOW)), Ok(()));
}

#[test]
fn any_of_several_signatures_may_fit() {
    let header = format!("t={NOW},{},{},v0=abc", v1("whsec_other"), v1("whsec_1"));
    assert_eq!(check(&header), Ok(()));
}

#[test]
fn any_of_several_secrets_may_fit() {
    let secrets = [secret("whsec_new"), secret("whsec_1")];
    let verifier = Verifier::new(&secrets).unwrap();
    for signer in ["whsec_new", "whsec_1"] {
        assert_eq!(
            verifier.verify(BODY, &sign(BODY, &secret(signer), NOW), NOW),
            Ok(())
        );
    }
    let stranger = sign(BODY, &secret("whsec_x"), NOW);
    assert_eq!(
        verifier.verify(BODY, &stranger, NOW),
        Err(SignatureError::Mismatch)
    );
}

#[test]
fn an_old_scheme_alone_is_no_signature() {
    let header = sign(BODY, &secret("whsec_1"), NOW).replace("v1=", "v0=");
    assert_eq!(check(&header), Err(SignatureError::Malformed));
}

#[test]
fn a_time_is_believed_for_300_seconds_both_ways() {
    for (shift, expected) in [
        (-301, Err(SignatureError::OutsideTolerance)),
        (-300, Ok(())),
        (300, Ok(())),
        (301, Err(SignatureError::OutsideTolerance)),
        (i64::MAX - NOW, Err(SignatureError::OutsideTolerance)),
        (i64::MIN, Err(SignatureError::OutsideTolerance)),
    ] {
        assert_eq!(
            check(&sign(BODY, &secret("whsec_1"), NOW + shift)),
            expected,
            "{shift}"
        );
    }
}

#[test]
fn a_header_without_a_single_time_is_refused() {
    let good = v1("whsec_1");
    for header in [
        String::new(),
        good.clone(),
        format!("t=,{good}"),
        format!("t=now,{good}"),
        format!("t={NOW}"),
        format!("t={NOW},t={NOW},{good}"),
        format!("t=99999999999999999999,{good}"),
    ] {
        assert_eq!(check(&header), Err(SignatureError::Malformed), "{header}");
    }
}

#[test]
fn a_body_that_was_serialised_again_is_refused() {
    let header = sign(BODY, &secret("whsec_1"), NOW);
    let again = br#"{"id": "evt_1", "type": "payment_intent.succeeded"}"#;
    assert_eq!(
        verify(again, &header, &[secret("whsec_1")], NOW),
        Err(SignatureError::Mismatch)
    );
}

#[test]
fn a_short_or_long_signature_is_refused() {
    for tag in [
        "",
        "00",
        &"0".repeat(63),
        &"0".repeat(65),
        &"0".repeat(10_000),
    ] {
        let header = format!("t={NOW},v1={tag}");
        assert_eq!(check(&header), Err(SignatureError::Mismatch), "{tag}");
    }
}

#[test]
fn a_flood_of_signatures_is_cut() {
    let flood = format!(",v1={}", "0".repeat(64)).repeat(1_000);
    let header = format!("t={NOW}{flood},{}", v1("whsec_1"));
    assert_eq!(check(&header), Err(SignatureError::Mismatch));
}

#[test]
fn an_empty_secret_is_refused() {
    assert_eq!(Verifier::new(&[]).unwrap_err(), NoSecret);
    assert_eq!(
        Verifier::new(&[secret("whsec_1"), secret("")]).unwrap_err(),
        NoSecret
    );
    let header = sign(BODY, &secret(""), NOW);
    assert_eq!(
        verify(BODY, &header, &[secret("")], NOW),
        Err(SignatureError::Mismatch)
    );
}

#[test]
fn no_secret_is_in_debug_output() {
    let verifier = Verifier::new(&[secret("whsec_1")]).unwrap();
    assert_eq!(format!("{verifier:?}"), "Verifier { secrets: 1 }");
}

proptest! {
    #[test]
    fn every_body_can_be_signed(body: Vec<u8>, shift in -300..=300_i64) {
        let header = sign(&body, &secret("whsec_1"), NOW + shift);
        prop_assert_eq!(verify(&body, &header, &[secret("whsec_1")], NOW), Ok(()));
    }

    #[test]
    fn one_changed_byte_of_the_body_fails(body in prop::collection::vec(any::<u8>(), 1..300), at: prop::sample::Index, flip in 1..=255_u8) {
        let header = sign(&body, &secret("whsec_1"), NOW);
        let mut changed = body;
        let at = at.index(changed.len());
        changed[at] ^= flip;
        prop_assert_eq!(verify(&changed, &header, &[secret("whsec_1")], NOW), Err(SignatureError::Mismatch));
    }

    #[test]
    fn one_changed_byte_of_the_header_fails(at: prop::sample::Index, new in 0x20..0x7f_u8) {
        let mut header = sign(BODY, &secret("whsec_1"), NOW).into_bytes();
        let at = at.index(header.len());
        prop_assume!(header[at] != new);
        header[at] = new;
        prop_assert!(check(std::str::from_utf8(&header).unwrap()).is_err());
    }

    #[test]
    fn one_changed_byte_of_the_secret_fails(at in 0..7_usize, new in b'a'..=b'z') {
        let mut text = b"whsec_1".to_vec();
        prop_assume!(text[at] != new);
        text[at] = new;
        let header = sign(BODY, &secret(std::str::from_utf8(&text).unwrap()), NOW);
        prop_assert_eq!(check(&header), Err(SignatureError::Mismatch));
    }

    #[test]
    fn no_header_makes_it_panic(header: String) {
        prop_assert!(check(&header).is_err());
    }
}
