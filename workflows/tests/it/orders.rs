//! The reports about one payment with two attempts, in every order: all of them, each twice, and each one lost.

use workflows::payment::{Call, Kind, Status};
use workflows::stream::{ChargeReport, ConfirmRequest, Event, IntentReport, Stream};
use workflows::stripe::{ChargeStatus, Intent, IntentStatus};
use workflows::{attempt, payment, stream};

use crate::played::Played;
use crate::samples::{
    accepted, answered, charge, charge_ref, charged, declined, id, intent, resynced, webhook,
};

/// A report, and whether it can only exist once the second attempt was made.
#[derive(Clone)]
struct Report {
    event: Event,
    second: bool,
}

/// Where everything ends; `None` where nobody made attempts of ours.
#[derive(Debug, PartialEq)]
struct End {
    status: Status,
    captured: i64,
    capturable: i64,
    authorized: i64,
    open_call: Option<Call>,
    attempt: Option<(attempt::Status, Option<String>)>,
    last_error: bool,
    next_action: bool,
    client_secret: Option<String>,
}

impl End {
    fn of(stream: &Stream) -> Self {
        let payment = &stream.payment;
        Self {
            status: payment.status,
            captured: payment.captured,
            capturable: payment.capturable,
            authorized: payment.authorized,
            open_call: payment.open_call,
            attempt: stream
                .newest_attempt()
                .map(|it| (it.status, it.charge_id.clone())),
            last_error: payment.last_error.is_some(),
            next_action: payment.next_action.is_some(),
            client_secret: payment.client_secret.clone(),
        }
    }

    fn paid() -> Self {
        Self {
            status: Status::Succeeded,
            captured: 1_000,
            capturable: 0,
            authorized: 1_000,
            open_call: None,
            attempt: Some((attempt::Status::Captured, Some("ch_2".to_owned()))),
            last_error: false,
            next_action: false,
            client_secret: Some("secret".to_owned()),
        }
    }
}

const FIRST: u128 = 11;
const SECOND: u128 = 12;

fn first(event: Event) -> Report {
    Report {
        event,
        second: false,
    }
}

fn second(event: Event) -> Report {
    Report {
        event,
        second: true,
    }
}

fn with_secret(intent: Intent) -> Intent {
    Intent {
        client_secret: Some("secret".to_owned()),
        ..intent
    }
}

fn succeeded() -> Intent {
    with_secret(Intent {
        latest_charge: Some(charge_ref("ch_2")),
        ..intent(IntentStatus::Succeeded)
    })
}

fn waiting_for_the_customer() -> Intent {
    Intent {
        latest_charge: Some(charge_ref("ch_1")),
        ..intent(IntentStatus::RequiresAction)
    }
}

/// The reports of Stripe about a first attempt that is declined.
fn declined_once() -> Vec<Report> {
    vec![
        first(webhook(Kind::PaymentFailed, declined("ch_1"))),
        first(charged(
            attempt::Status::Failed,
            charge("ch_1", ChargeStatus::Failed, false),
        )),
    ]
}

/// The reports of Stripe about a second attempt that succeeds.
fn paid_then() -> Vec<Report> {
    vec![
        second(webhook(Kind::Succeeded, succeeded())),
        second(charged(
            attempt::Status::Captured,
            charge("ch_2", ChargeStatus::Succeeded, true),
        )),
    ]
}

/// The stream when our first confirm has been asked for.
fn confirming() -> Stream {
    let mut played = Played::new(accepted());
    let created = with_secret(intent(IntentStatus::RequiresPaymentMethod));
    played
        .play(&answered(Call::CreateIntent, None, created))
        .unwrap();
    played.play(&confirm(FIRST)).unwrap();
    played.stream
}

fn confirm(attempt: u128) -> Event {
    Event::ConfirmRequested(ConfirmRequest {
        attempt: id(attempt),
        payment_method: Some("pm_card_visa".to_owned()),
        return_url: None,
    })
}

/// Plays the reports in this order. The second confirm is asked for as soon as it is allowed and something of the second
/// attempt would come; what cannot have happened yet waits behind the rest.
fn play_ours(reports: &[Report], lost_first_answer: bool) -> End {
    let mut played = Played::new(confirming());
    let mut confirmed = false;
    let mut late = Vec::new();
    for report in reports {
        if report.second && !confirmed {
            confirmed = played.play(&confirm(SECOND)).is_ok();
        }
        if report.second && !confirmed {
            late.push(report);
        } else {
            played.play(&report.event).unwrap();
        }
    }
    if !confirmed {
        if lost_first_answer {
            // Its job goes on asking with the same key until it has an answer.
            played.play(&first_answer().event).unwrap();
        }
        played.play(&resynced(declined("ch_1"), vec![])).unwrap();
        played.play(&confirm(SECOND)).expect("the payment waits");
    }
    for report in late {
        played.play(&report.event).unwrap();
    }
    finish(&mut played);
    let attempts: Vec<_> = played.attempts.values().map(|it| it.status).collect();
    assert_eq!(
        attempts,
        [attempt::Status::Failed, attempt::Status::Captured]
    );
    End::of(&played.stream)
}

/// Plays the reports in this order for a payment whose customer confirms in the browser.
fn play_theirs(reports: &[Report]) -> End {
    let mut played = Played::new(accepted());
    for report in reports {
        played.play(&report.event).unwrap();
    }
    // The job that creates the intent goes on asking until it has an answer.
    let created = with_secret(intent(IntentStatus::RequiresPaymentMethod));
    played
        .play(&answered(Call::CreateIntent, None, created))
        .unwrap();
    finish(&mut played);
    End::of(&played.stream)
}

/// Runs the resync that was asked for, or that is due for a payment that has not ended.
fn finish(played: &mut Played) {
    if played.resync || !played.stream.payment.status.is_final() {
        played.play(&resynced(succeeded(), vec![])).unwrap();
    }
    let again = played.play(&resynced(succeeded(), vec![])).unwrap();
    assert!(again.is_empty(), "a second resync finds nothing: {again:?}");
}

fn first_answer() -> Report {
    first(answered(
        Call::ConfirmIntent,
        Some(id(FIRST)),
        declined("ch_1"),
    ))
}

fn second_answer(intent: Intent) -> Report {
    second(answered(Call::ConfirmIntent, Some(id(SECOND)), intent))
}

/// Calls `check` with every order of the reports: all, each one lost, all in pairs, and all repeated at the end.
fn in_every_order(reports: &[Report], mut check: impl FnMut(&[Report])) {
    let mut order: Vec<usize> = (0..reports.len()).collect();
    permute(&mut order, 0, &mut |order| {
        let all: Vec<Report> = order.iter().map(|at| reports[*at].clone()).collect();
        check(&all);
        for lost in 0..all.len() {
            let mut rest = all.clone();
            rest.remove(lost);
            check(&rest);
        }
        let pairs: Vec<Report> = all.iter().flat_map(|it| [it.clone(), it.clone()]).collect();
        check(&pairs);
        check(&[all.clone(), all].concat());
    });
}

/// Calls `check` with every order of the numbers behind the first `from` ones.
pub(crate) fn permute(order: &mut [usize], from: usize, check: &mut impl FnMut(&[usize])) {
    if from + 1 >= order.len() {
        check(order);
        return;
    }
    for at in from..order.len() {
        order.swap(from, at);
        permute(order, from + 1, check);
        order.swap(from, at);
    }
}

#[test]
fn two_attempts_of_ours_end_the_same_in_every_order() {
    let mut reports = declined_once();
    reports.push(first_answer());
    reports.extend(paid_then());
    reports.push(second_answer(succeeded()));
    in_every_order(&reports, |order| {
        let lost = !order.iter().any(|it| is_answer(&it.event, FIRST));
        assert_eq!(play_ours(order, lost), End::paid(), "{}", names(order));
    });
}

#[test]
fn two_attempts_of_ours_with_3d_secure_end_the_same_in_every_order() {
    let mut reports = declined_once();
    reports.push(first_answer());
    reports.extend(paid_then());
    reports.push(second_answer(waiting_for_the_customer()));
    reports.push(second(webhook(
        Kind::ActionRequired,
        waiting_for_the_customer(),
    )));
    in_every_order(&reports, |order| {
        let lost = !order.iter().any(|it| is_answer(&it.event, FIRST));
        assert_eq!(play_ours(order, lost), End::paid(), "{}", names(order));
    });
}

#[test]
fn two_attempts_in_the_browser_end_the_same_in_every_order() {
    let created = intent(IntentStatus::RequiresPaymentMethod);
    let mut reports = vec![first(webhook(Kind::IntentCreated, created))];
    reports.extend(declined_once());
    reports.extend(paid_then());
    reports.push(second(webhook(
        Kind::ActionRequired,
        waiting_for_the_customer(),
    )));
    in_every_order(&reports, |order| {
        assert_eq!(play_theirs(order), End::paid(), "{}", names(order));
    });
}

#[test]
fn a_payment_that_goes_as_it_should_needs_no_resync() {
    let reports = [
        webhook(
            Kind::IntentCreated,
            intent(IntentStatus::RequiresPaymentMethod),
        ),
        charged(
            attempt::Status::Captured,
            charge("ch_1", ChargeStatus::Succeeded, true),
        ),
        answered(
            Call::ConfirmIntent,
            Some(id(FIRST)),
            intent(IntentStatus::Succeeded),
        ),
        webhook(Kind::Succeeded, intent(IntentStatus::Succeeded)),
    ];
    let mut order: Vec<usize> = (0..reports.len()).collect();
    permute(&mut order, 0, &mut |order| {
        let mut played = Played::new(confirming());
        for at in order {
            played.play(&reports[*at]).unwrap();
        }
        assert!(!played.resync, "{order:?}");
        assert_eq!(played.stream.payment.status, Status::Succeeded);
        assert_eq!(played.attempts.len(), 1);
    });
}

#[test]
fn a_late_failure_of_the_first_attempt_does_not_close_the_second() {
    let mut played = Played::new(confirming());
    played.play(&first_answer().event).unwrap();
    played.play(&confirm(SECOND)).unwrap();
    let before = played.stream.clone();
    for late in declined_once() {
        let step = played.play(&late.event).unwrap();
        assert!(step.transitions.is_empty(), "{step:?}");
        assert_eq!(played.stream, before);
    }
    let step = stream::step(&before, &resynced(declined("ch_1"), vec![])).unwrap();
    assert!(step.is_empty(), "the resync finds nothing new: {step:?}");
}

fn is_answer(event: &Event, confirmed: u128) -> bool {
    matches!(event, Event::IntentSeen(IntentReport { attempt, .. }) if *attempt == Some(id(confirmed)))
}

fn names(reports: &[Report]) -> String {
    let name = |report: &Report| match &report.event {
        Event::IntentSeen(IntentReport {
            answers: Some(call),
            intent,
            ..
        }) => {
            format!("answer of {call} {:?}", intent.status)
        }
        Event::IntentSeen(IntentReport { kind, .. }) => format!("payment {kind}"),
        Event::ChargeSeen(ChargeReport { status, charge, .. }) => format!("{} {status}", charge.id),
        other => format!("{other:?}"),
    };
    let names: Vec<String> = reports.iter().map(name).collect();
    names.join(", ")
}

#[test]
fn the_kind_that_an_intent_reports_leads_to_its_status() {
    for status in payment::Status::ALL {
        let json = format!("\"{status}\"");
        let Ok(theirs) = serde_json::from_str::<IntentStatus>(&json) else {
            continue;
        };
        if payment::Status::of_intent(theirs).is_none() {
            continue;
        }
        let kind = Kind::of_intent(theirs).unwrap();
        let led = Status::ALL
            .iter()
            .any(|from| payment::edge(Some(*from), kind, *status).is_some());
        assert!(led, "{kind} leads to {status}");
    }
}
