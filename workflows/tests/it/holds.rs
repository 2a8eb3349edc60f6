//! Reviews and early warnings of fraud set and clear flags, in whatever order they are reported.

use workflows::hold::{Hold, Source};
use workflows::payment::Status;
use workflows::stream;
use workflows::stream::{Event, HoldReport, Refusal};

use crate::played::Played;
use crate::samples::resting;

fn seen(source: Source, id: &str, open: bool) -> Event {
    Event::HoldSeen(HoldReport {
        hold: Hold {
            source,
            id: id.to_owned(),
            open,
        },
        intent_id: Some("pi_1".to_owned()),
        charge_id: None,
    })
}

fn open(played: &Played) -> Vec<&str> {
    let holds = played.stream.payment.holds.iter();
    holds
        .filter(|it| it.open)
        .map(|it| it.id.as_str())
        .collect()
}

#[test]
fn a_hold_is_set_and_cleared_without_a_move() {
    for status in [
        Status::RequiresCapture,
        Status::Processing,
        Status::Succeeded,
    ] {
        let mut played = Played::new(resting(status));
        let step = played.play(&seen(Source::Review, "prv_1", true)).unwrap();
        assert_eq!(step.transitions[0].kind, "hold_set");
        assert_eq!(open(&played), ["prv_1"]);
        let warned = seen(Source::EarlyFraudWarning, "issfr_1", true);
        played.play(&warned).unwrap();
        assert_eq!(open(&played), ["prv_1", "issfr_1"]);
        let step = played.play(&seen(Source::Review, "prv_1", false)).unwrap();
        assert_eq!(step.transitions[0].kind, "hold_cleared");
        assert_eq!(open(&played), ["issfr_1"]);
        assert_eq!(played.stream.payment.status, status);
    }
}

#[test]
fn a_hold_that_was_cleared_is_never_set_again_by_an_older_report() {
    let mut played = Played::new(resting(Status::Succeeded));
    played.play(&seen(Source::Review, "prv_1", false)).unwrap();
    let late = played.play(&seen(Source::Review, "prv_1", true)).unwrap();
    assert!(late.is_empty(), "{late:?}");
    assert!(open(&played).is_empty());
}

#[test]
fn a_report_that_repeats_a_hold_changes_nothing() {
    let mut played = Played::new(resting(Status::Succeeded));
    let set = seen(Source::EarlyFraudWarning, "issfr_1", true);
    played.play(&set).unwrap();
    assert!(played.play(&set).unwrap().is_empty());
}

#[test]
fn a_review_of_another_payment_is_not_ours() {
    let mut event = seen(Source::Review, "prv_1", true);
    if let Event::HoldSeen(report) = &mut event {
        report.intent_id = Some("pi_2".to_owned());
    }
    let refused = stream::step(&resting(Status::Succeeded), &event);
    assert_eq!(refused, Err(Refusal::NotOurs));
}
