//! The section "Calls: what an answer means" as a table: every line of it stands here.

use Call::{CancelIntent, CaptureIntent, ConfirmIntent, CreateIntent, CreateRefund};
use engine::stripe::{Class, Refusal, classify};
use workflows::payment::Call;
use workflows::stripe::StripeError;

const CALLS: [Call; 5] = [
    CreateIntent,
    ConfirmIntent,
    CaptureIntent,
    CancelIntent,
    CreateRefund,
];

fn error(kind: &str, code: &str) -> StripeError {
    StripeError {
        kind: Some(kind.to_owned()),
        code: (!code.is_empty()).then(|| code.to_owned()),
        ..StripeError::default()
    }
}

fn of(
    call: Option<Call>,
    status: u16,
    should_retry: Option<bool>,
    kind: &str,
    code: &str,
) -> Class {
    let error = error(kind, code);
    let refusal = Refusal {
        status,
        should_retry,
        replayed: false,
        error: Some(&error),
    };
    classify(call, &refusal)
}

fn unreadable(call: Option<Call>, status: u16, should_retry: Option<bool>) -> Class {
    let refusal = Refusal {
        status,
        should_retry,
        ..Refusal::default()
    };
    classify(call, &refusal)
}

#[test]
fn what_stripe_says_about_retrying_comes_first() {
    for call in CALLS {
        for status in [400, 401, 402, 404, 409, 429, 500, 503] {
            let class = of(
                Some(call),
                status,
                Some(true),
                "card_error",
                "card_declined",
            );
            assert_eq!(class, Class::Retry, "{call} {status}");
            assert_eq!(
                unreadable(Some(call), status, Some(true)),
                Class::Retry,
                "{call} {status}"
            );
        }
        for status in [400, 402, 404, 409, 429, 500, 502, 503] {
            let class = of(Some(call), status, Some(false), "api_error", "");
            assert_ne!(class, Class::Retry, "{call} {status}");
        }
    }
}

#[test]
fn without_a_word_of_stripe_only_409_429_and_5xx_are_retried() {
    for call in CALLS {
        for status in [409, 429, 500, 502, 503, 504] {
            assert_eq!(
                of(Some(call), status, None, "api_error", ""),
                Class::Retry,
                "{call} {status}"
            );
        }
        for status in [400, 401, 402, 403, 404, 422] {
            let class = of(Some(call), status, None, "invalid_request_error", "");
            assert_ne!(class, Class::Retry, "{call} {status}");
        }
    }
}

#[test]
fn a_key_in_use_and_a_lock_are_retried_with_the_same_key() {
    for call in CALLS {
        let in_use = of(
            Some(call),
            409,
            None,
            "idempotency_error",
            "idempotency_key_in_use",
        );
        assert_eq!(in_use, Class::Retry, "{call}");
        for status in [409, 429] {
            let locked = of(
                Some(call),
                status,
                None,
                "invalid_request_error",
                "lock_timeout",
            );
            assert_eq!(locked, Class::Retry, "{call} {status}");
        }
    }
}

#[test]
fn a_5xx_that_is_not_to_be_retried_is_saved_under_the_key() {
    for call in CALLS {
        assert_eq!(
            of(Some(call), 500, Some(false), "api_error", ""),
            Class::Saved,
            "{call}"
        );
        assert_eq!(
            unreadable(Some(call), 500, Some(false)),
            Class::Saved,
            "{call}"
        );
    }
}

#[test]
fn a_replayed_5xx_is_not_looped_on() {
    let error = error("api_error", "");
    for should_retry in [None, Some(false), Some(true)] {
        let refusal = Refusal {
            status: 500,
            should_retry,
            replayed: true,
            error: Some(&error),
        };
        for call in CALLS {
            assert_eq!(classify(Some(call), &refusal), Class::Saved, "{call}");
        }
    }
}

#[test]
fn an_unreadable_body_leaves_a_call_unknown() {
    for call in CALLS {
        for status in [200, 201, 302, 400, 402, 403, 404, 409, 500, 502, 503] {
            assert_eq!(
                unreadable(Some(call), status, None),
                Class::Unknown,
                "{call} {status}"
            );
        }
    }
}

#[test]
fn a_429_is_retried_even_when_its_body_cannot_be_read() {
    assert_eq!(unreadable(Some(CreateIntent), 429, None), Class::Retry);
    assert_eq!(
        unreadable(Some(CreateIntent), 429, Some(false)),
        Class::Unknown
    );
}

#[test]
fn a_read_is_never_unknown() {
    for status in [200, 302, 404, 409, 429, 500, 503] {
        for should_retry in [None, Some(false), Some(true)] {
            assert_eq!(
                unreadable(None, status, should_retry),
                Class::Retry,
                "{status} {should_retry:?}"
            );
        }
    }
    assert_eq!(
        of(None, 404, None, "invalid_request_error", "resource_missing"),
        Class::Impossible
    );
}

#[test]
fn a_declined_card_fails_the_attempt() {
    for call in [ConfirmIntent, CaptureIntent] {
        assert_eq!(
            of(Some(call), 402, None, "card_error", "card_declined"),
            Class::Business,
            "{call}"
        );
        assert_eq!(
            of(Some(call), 402, Some(false), "card_error", "card_declined"),
            Class::Business,
            "{call}"
        );
        assert_eq!(
            of(Some(call), 400, None, "card_error", "incorrect_number"),
            Class::Business,
            "{call}"
        );
    }
}

#[test]
fn a_state_that_was_not_expected_is_a_conflict() {
    for code in ["payment_intent_unexpected_state", "intent_invalid_state"] {
        for call in CALLS {
            for should_retry in [None, Some(false)] {
                let class = of(Some(call), 400, should_retry, "invalid_request_error", code);
                assert_eq!(class, Class::Conflict, "{call} {code}");
            }
        }
    }
}

#[test]
fn what_is_done_already_is_adopted() {
    for code in ["charge_already_captured", "charge_already_refunded"] {
        for call in CALLS {
            let class = of(Some(call), 400, None, "invalid_request_error", code);
            assert_eq!(class, Class::AlreadyDone, "{call} {code}");
        }
    }
}

#[test]
fn another_4xx_of_a_create_or_a_refund_refuses_it() {
    for call in [CreateIntent, CreateRefund] {
        for (status, code) in [
            (400, "amount_too_small"),
            (400, ""),
            (402, "card_declined"),
            (404, "resource_missing"),
            (400, "charge_disputed"),
            (400, "refund_disputed_payment"),
        ] {
            let class = of(Some(call), status, None, "invalid_request_error", code);
            assert_eq!(class, Class::Refused, "{call} {status} {code}");
        }
    }
}

#[test]
fn a_capture_after_the_authorization_is_refused() {
    for code in [
        "charge_expired_for_capture",
        "capture_charge_authorization_expired",
    ] {
        for (status, kind) in [(400, "invalid_request_error"), (402, "card_error")] {
            assert_eq!(
                of(Some(CaptureIntent), status, None, kind, code),
                Class::Refused,
                "{code}"
            );
        }
    }
}

#[test]
fn another_4xx_of_any_other_call_is_impossible() {
    for call in [ConfirmIntent, CaptureIntent, CancelIntent] {
        for status in [400, 404, 410, 422] {
            let class = of(
                Some(call),
                status,
                None,
                "invalid_request_error",
                "parameter_missing",
            );
            assert_eq!(class, Class::Impossible, "{call} {status}");
        }
    }
}

#[test]
fn a_refused_key_waits_and_a_reused_idempotency_key_is_impossible_for_every_call() {
    for call in CALLS {
        for status in [401, 403] {
            let class = of(Some(call), status, None, "invalid_request_error", "");
            assert_eq!(class, Class::KeyRefused, "{call} {status}");
        }
        assert_eq!(
            of(Some(call), 400, None, "idempotency_error", ""),
            Class::Impossible,
            "{call}"
        );
    }
}
