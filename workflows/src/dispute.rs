//! A dispute: a customer's claim at their bank against a charge, and what becomes of it.
//!
//! A dispute is the subject of three machines, because its status, its money and its evidence move at different times:
//! [`Status`], [`Funds`] and [`Evidence`]. Money that moves says nothing about the outcome.

mod rules;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::edge;
use crate::edge::Edge;
use crate::effect::Call;
use crate::names::names;
use crate::stripe;
use crate::stripe::{DisputeStatus, StripeError};

pub(crate) use rules::{DisputeGraph, EvidenceGraph, FundsGraph};
pub use rules::{EVIDENCE_RULES, FUNDS_RULES, RULES};

/// How long before the last moment for evidence its merchant is reminded, in seconds: 48 hours.
const REMINDED_BEFORE: i64 = 48 * 3600;

names! {
    /// The status of a dispute, in Stripe's own names. An inquiry is a dispute in a status that begins with `warning_`.
    pub enum Status: "dispute status" {
        /// The bank asks; evidence may prevent a dispute.
        WarningNeedsResponse = "warning_needs_response",
        /// The bank reads the evidence about its inquiry.
        WarningUnderReview = "warning_under_review",
        /// The inquiry ended without a dispute. Left only by `resync` and `forced`.
        WarningClosed = "warning_closed",
        /// It is disputed, and evidence is needed.
        NeedsResponse = "needs_response",
        /// The bank reads the evidence.
        UnderReview = "under_review",
        /// Decided for the merchant. Left only by `resync` and `forced`.
        Won = "won",
        /// Decided for the customer, or accepted by the merchant. Left only by `resync` and `forced`.
        Lost = "lost",
        /// Resolved before the bank made a dispute of it. Left only by `resync` and `forced`.
        Prevented = "prevented",
    }
}

names! {
    /// What happened to a dispute: the name of an edge.
    pub enum Kind: "dispute edge" {
        /// D0: Stripe showed it for the first time.
        Opened = "opened",
        /// D1: the bank reads the evidence.
        ReviewStarted = "review_started",
        /// D2: an inquiry became a dispute.
        Escalated = "escalated",
        /// D3: an inquiry ended without a dispute.
        InquiryClosed = "inquiry_closed",
        /// D4: decided for the merchant.
        Won = "won",
        /// D5: decided for the customer, or accepted.
        Lost = "lost",
        /// D6: resolved before it became a dispute.
        Prevented = "prevented",
        /// D7: a client asked to send evidence.
        EvidenceRequested = "evidence_requested",
        /// D8: a client asked to accept it.
        AcceptRequested = "accept_requested",
        /// D9: the last day for evidence is near.
        EvidenceDue = "evidence_due",
        /// D10: Stripe refused what a client asked for.
        CallRefused = "call_refused",
        /// Stripe's object was read and differed.
        Resync = "resync",
        /// An operator decided.
        Forced = "forced",
    }
}

names! {
    /// The money of a dispute. Before the first move there is none.
    pub enum Funds: "state of a dispute's funds" {
        /// Stripe took the disputed amount, and its fee, from the merchant's balance.
        Withdrawn = "withdrawn",
        /// Stripe gave it back. Never left.
        Reinstated = "reinstated",
    }
}

names! {
    /// What happened to the money of a dispute: the name of an edge.
    pub enum FundsKind: "edge of a dispute's funds" {
        /// F0: Stripe took it.
        Withdrawn = "withdrawn",
        /// F1: Stripe gave it back.
        Reinstated = "reinstated",
        /// Stripe's object was read and differed.
        Resync = "resync",
    }
}

names! {
    /// The evidence of a dispute. Before the first move there is none.
    pub enum Evidence: "state of a dispute's evidence" {
        /// Stored at Stripe, and not sent to the bank.
        Staged = "staged",
        /// Sent to the bank. Never left.
        Submitted = "submitted",
    }
}

names! {
    /// What happened to the evidence of a dispute: the name of an edge.
    pub enum EvidenceKind: "edge of a dispute's evidence" {
        /// E0: stored at Stripe.
        Staged = "staged",
        /// E1: sent to the bank.
        Submitted = "submitted",
        /// Stripe's object was read and differed.
        Resync = "resync",
    }
}

/// A customer's claim against a charge of a payment. Its JSON has the names of the columns that hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// Ours, a UUIDv7.
    pub id: Uuid,
    /// `dp_…` or `du_…`, Stripe's.
    pub stripe_id: String,
    /// The disputed charge, `ch_…`.
    pub charge_id: Option<String>,
    /// Its status.
    pub status: Status,
    /// Its money; none before Stripe took it.
    pub funds: Option<Funds>,
    /// Its evidence; none before the first was stored.
    pub evidence: Option<Evidence>,
    /// The disputed amount, in the unit of `currency`; it may be less than the payment's.
    pub amount: i64,
    /// Three letters in lower case; the bank may dispute in another currency than the payment's.
    pub currency: String,
    /// Stripe's reason, such as `fraudulent`.
    pub reason: String,
    /// Until when evidence may be sent, in Unix seconds; none where none is wanted.
    pub due_by: Option<i64>,
    /// The `due_by` of which its merchant was reminded.
    pub reminded_due_by: Option<i64>,
    /// The call that was asked for and whose outcome is not known yet.
    pub open_call: Option<Call>,
    /// Why Stripe refused the last call.
    pub error: Option<StripeError>,
}

impl Status {
    /// Whether only `resync` and `forced` lead out of it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::WarningClosed | Self::Won | Self::Lost | Self::Prevented
        )
    }

    /// Whether the payment counts as disputed: a dispute that is open or lost. Its refunds are refused meanwhile. An
    /// inquiry does not count.
    #[must_use]
    pub const fn is_disputed(self) -> bool {
        matches!(self, Self::NeedsResponse | Self::UnderReview | Self::Lost)
    }

    /// Whether evidence is wanted now.
    #[must_use]
    pub const fn needs_response(self) -> bool {
        matches!(self, Self::WarningNeedsResponse | Self::NeedsResponse)
    }

    /// The status of the same name as Stripe's; `None` where Stripe's status is unknown.
    #[must_use]
    pub const fn of_dispute(status: DisputeStatus) -> Option<Self> {
        match status {
            DisputeStatus::WarningNeedsResponse => Some(Self::WarningNeedsResponse),
            DisputeStatus::WarningUnderReview => Some(Self::WarningUnderReview),
            DisputeStatus::WarningClosed => Some(Self::WarningClosed),
            DisputeStatus::NeedsResponse => Some(Self::NeedsResponse),
            DisputeStatus::UnderReview => Some(Self::UnderReview),
            DisputeStatus::Won => Some(Self::Won),
            DisputeStatus::Lost => Some(Self::Lost),
            DisputeStatus::Prevented => Some(Self::Prevented),
            DisputeStatus::Unknown => None,
        }
    }
}

impl Funds {
    /// The state that the object's balance transactions show: one for the withdrawal, one more for its return.
    #[must_use]
    pub fn of_dispute(dispute: &stripe::Dispute) -> Option<Self> {
        match dispute.balance_transactions.len() {
            0 => None,
            1 => Some(Self::Withdrawn),
            _ => Some(Self::Reinstated),
        }
    }
}

impl Evidence {
    /// The state that the object shows.
    #[must_use]
    pub const fn of_dispute(dispute: &stripe::Dispute) -> Option<Self> {
        let details = &dispute.evidence_details;
        if details.submission_count > 0 {
            Some(Self::Submitted)
        } else if details.has_evidence {
            Some(Self::Staged)
        } else {
            None
        }
    }
}

impl Dispute {
    /// When its merchant must be reminded that evidence is due, in Unix seconds: 48 hours before the last moment. None where
    /// no evidence is wanted, or the reminder was made.
    #[must_use]
    pub fn remind_at(&self) -> Option<i64> {
        let wanted = self.status.needs_response() && self.due_by != self.reminded_due_by;
        self.due_by
            .filter(|_| wanted)
            .map(|due_by| due_by.saturating_sub(REMINDED_BEFORE))
    }

    /// A dispute as Stripe shows it for the first time. Its money and its evidence move afterwards.
    pub(crate) fn new(id: Uuid, status: Status, shown: &stripe::Dispute) -> Self {
        let mut dispute = Self {
            id,
            stripe_id: shown.id.clone(),
            charge_id: None,
            status,
            funds: None,
            evidence: None,
            amount: shown.amount,
            currency: String::new(),
            reason: String::new(),
            due_by: None,
            reminded_due_by: None,
            open_call: None,
            error: None,
        };
        dispute.absorb(shown);
        dispute
    }

    /// Takes over the facts of Stripe's object. What moves along edges is not among them.
    pub(crate) fn absorb(&mut self, shown: &stripe::Dispute) {
        if shown.charge.is_some() {
            self.charge_id.clone_from(&shown.charge);
        }
        self.amount = shown.amount;
        self.currency.clone_from(&shown.currency);
        self.reason.clone_from(&shown.reason);
        self.due_by = shown.evidence_details.due_by;
    }
}

/// The edge from `from` (`None`: the dispute does not exist yet) by `kind` to `to`, if there is one.
#[must_use]
pub fn edge(from: Option<Status>, kind: Kind, to: Status) -> Option<Edge> {
    edge::take::<DisputeGraph>(from, kind, to)
}

/// The kind by which a report of Stripe moves a dispute from `from` to `to` in the ordinary course, if it can.
#[must_use]
pub fn find_kind(from: Option<Status>, to: Status) -> Option<Kind> {
    edge::find_kind::<DisputeGraph>(from, to)
}

/// As [`edge()`], for the money of a dispute.
#[must_use]
pub fn funds_edge(from: Option<Funds>, kind: FundsKind, to: Funds) -> Option<Edge> {
    edge::take::<FundsGraph>(from, kind, to)
}

/// As [`edge()`], for the evidence of a dispute.
#[must_use]
pub fn evidence_edge(from: Option<Evidence>, kind: EvidenceKind, to: Evidence) -> Option<Edge> {
    edge::take::<EvidenceGraph>(from, kind, to)
}
