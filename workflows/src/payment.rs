//! A payment: one sum of money that a merchant asks of a customer, driven through one Stripe `PaymentIntent`.

mod rules;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::capture::Multicapture;
use crate::edge;
use crate::edge::Edge;
use crate::hold::Hold;
use crate::money::Money;
use crate::names::names;
use crate::stripe::{Intent, IntentStatus, StripeError};

pub use crate::effect::Call;
pub(crate) use rules::PaymentGraph;
pub use rules::RULES;

names! {
    /// The status of a payment: Stripe's own name, or a name with `local_` for what exists only here.
    pub enum Status: "payment status" {
        /// Accepted here; Stripe has not yet answered.
        LocalCreated = "local_created",
        /// A payment method is missing, or the last one was declined.
        RequiresPaymentMethod = "requires_payment_method",
        /// It has a payment method and waits for a confirm.
        RequiresConfirmation = "requires_confirmation",
        /// The customer must act, for example with 3-D Secure.
        RequiresAction = "requires_action",
        /// An asynchronous method is under way.
        Processing = "processing",
        /// The money is authorized and waits for its capture.
        RequiresCapture = "requires_capture",
        /// The money is captured. Never left, except by `resync` and `forced`.
        Succeeded = "succeeded",
        /// It ended without money. Never left, except by `resync` and `forced`.
        Canceled = "canceled",
        /// Stripe refused to create it. Never left, except by `resync` and `forced`.
        LocalRejected = "local_rejected",
    }
}

names! {
    /// What happened to a payment: the name of an edge.
    pub enum Kind: "payment edge" {
        /// P0: a client created it.
        Accepted = "accepted",
        /// P1: Stripe made the intent.
        IntentCreated = "intent_created",
        /// P2, P4: the first report of its intent shows that the intent has already moved.
        IntentAdopted = "intent_adopted",
        /// P3: Stripe refused to make the intent.
        IntentRejected = "intent_rejected",
        /// P5: a payment method was attached.
        MethodAttached = "method_attached",
        /// P6: the customer must act.
        ActionRequired = "action_required",
        /// P7, P10: an asynchronous method is under way.
        ProcessingStarted = "processing_started",
        /// P8, P9: money was authorized, or the sum that can be captured changed.
        CapturableUpdated = "capturable_updated",
        /// P9c: a client asked for the capture.
        CaptureRequested = "capture_requested",
        /// P11: the money is ours.
        Succeeded = "succeeded",
        /// P12, P13: the attempt failed.
        PaymentFailed = "payment_failed",
        /// P14: a client asked to cancel.
        CancelRequested = "cancel_requested",
        /// P14: Stripe canceled the intent.
        Canceled = "canceled",
        /// P20: the authorization ends soon.
        AuthorizationExpiring = "authorization_expiring",
        /// P18: a review was opened, or the bank warns of fraud.
        HoldSet = "hold_set",
        /// P18: the review was closed, or the warning no longer matters.
        HoldCleared = "hold_cleared",
        /// P19: Stripe's object was read and differed.
        Resync = "resync",
        /// P19: an operator decided.
        Forced = "forced",
    }
}

names! {
    /// Whether the money is taken at once.
    pub enum CaptureMethod: "capture method" {
        /// Taken when the customer confirms.
        Automatic = "automatic",
        /// Authorized when the customer confirms, taken by a capture.
        Manual = "manual",
    }
}

names! {
    /// What happens before an authorization ends that nobody has captured or canceled.
    pub enum OnExpiry: "policy for the end of an authorization" {
        /// Its merchant is told, 24 hours before.
        Alert = "alert",
        /// All of it is captured, an hour before.
        Capture = "capture",
        /// It is canceled, an hour before.
        Cancel = "cancel",
    }
}

impl OnExpiry {
    /// How long before the end it happens, in seconds: a person needs a day, and a call to Stripe with its retries an hour.
    #[must_use]
    pub const fn lead(self) -> i64 {
        match self {
            Self::Alert => 24 * 3_600,
            Self::Capture | Self::Cancel => 3_600,
        }
    }
}

/// A payment as the machines see it. The merchant's notes (description, customer, metadata) are not here.
///
/// Its JSON has the names of the columns that hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Ours, a UUIDv7.
    pub id: Uuid,
    /// Its status.
    pub status: Status,
    /// What the customer is to pay.
    #[serde(flatten)]
    pub money: Money,
    /// Whether the money is taken at once.
    pub capture_method: CaptureMethod,
    /// Whether it is confirmed as soon as the intent exists and a payment method is known.
    pub confirm: bool,
    /// `pm_…`
    pub payment_method: Option<String>,
    /// Where the customer's browser returns to after an action.
    pub return_url: Option<String>,
    /// `pi_…`, once Stripe made it.
    pub intent_id: Option<String>,
    /// The secret by which the customer's browser may confirm. In no log and no Kafka message.
    pub client_secret: Option<String>,
    /// The action that the customer must take; only in [`Status::RequiresAction`]. In no log and no Kafka message.
    pub next_action: Option<Value>,
    /// Why the last attempt or call failed.
    pub last_error: Option<StripeError>,
    /// The failure that Stripe's intent showed last; while a confirm is under way, the one that it showed before: see
    /// [`Payment::fails_anew`].
    pub shown_error: Option<StripeError>,
    /// Why it was canceled, or is asked to be.
    pub cancellation_reason: Option<String>,
    /// The most that was ever authorized. Never below `captured`.
    #[serde(rename = "amount_authorized")]
    pub authorized: i64,
    /// The sum that can still be captured.
    #[serde(rename = "amount_capturable")]
    pub capturable: i64,
    /// The captured sum. Never below `refunded`.
    #[serde(rename = "amount_captured")]
    pub captured: i64,
    /// The refunded sum.
    #[serde(rename = "amount_refunded")]
    pub refunded: i64,
    /// The sum of the open refunds.
    #[serde(rename = "amount_reserved")]
    pub reserved: i64,
    /// Whether a dispute of it is open or lost ([`crate::dispute::Status::is_disputed`]); no refund is accepted then.
    pub disputed: bool,
    /// How many of its disputes have not ended, inquiries too.
    pub open_disputes: i32,
    /// Reviews and early warnings of fraud, open and closed ones.
    pub holds: Vec<Hold>,
    /// Until when it can be captured, in Unix seconds.
    pub capture_before: Option<i64>,
    /// What happens before that.
    pub authorization_expiry: OnExpiry,
    /// The `capture_before` for which it has happened.
    pub expiry_noted: Option<i64>,
    /// Whether a cancel is asked for that Stripe has not yet answered.
    pub cancel_requested: bool,
    /// The one create, confirm, capture or cancel call whose outcome is unknown.
    pub open_call: Option<Call>,
    /// How many attempts were made.
    pub attempts: i32,
    /// Whether it may be captured in several parts; none where its merchant did not ask for that.
    pub multicapture: Option<Multicapture>,
    /// How many captures were asked for here or made outside of Pawl.
    pub captures: i32,
    /// The number of the stream's last transition; the first has 1.
    pub version: i64,
}

impl Payment {
    /// A payment as a client asks for it: it has no intent, no money and no history yet.
    #[must_use]
    pub const fn new(
        id: Uuid,
        money: Money,
        capture_method: CaptureMethod,
        confirm: bool,
        payment_method: Option<String>,
        return_url: Option<String>,
    ) -> Self {
        Self {
            id,
            status: Status::LocalCreated,
            money,
            capture_method,
            confirm,
            payment_method,
            return_url,
            intent_id: None,
            client_secret: None,
            next_action: None,
            last_error: None,
            shown_error: None,
            cancellation_reason: None,
            authorized: 0,
            capturable: 0,
            captured: 0,
            refunded: 0,
            reserved: 0,
            disputed: false,
            open_disputes: 0,
            holds: Vec::new(),
            capture_before: None,
            authorization_expiry: OnExpiry::Alert,
            expiry_noted: None,
            cancel_requested: false,
            open_call: None,
            attempts: 0,
            multicapture: None,
            captures: 0,
            version: 0,
        }
    }

    /// When what its policy says about the end of its authorization happens, in Unix seconds. None where no money waits for a
    /// capture, the deadline is not known, or it has happened.
    #[must_use]
    pub fn acts_at(&self) -> Option<i64> {
        let waits = self.status == Status::RequiresCapture && !self.cancel_requested;
        let deadline = self.capture_before.filter(|_| waits)?;
        let is_new = self.expiry_noted != Some(deadline);
        is_new.then(|| deadline.saturating_sub(self.authorization_expiry.lead()))
    }

    /// Whether the intent shows a failure that it did not show before. Of an intent that was read after the newest attempt's
    /// call had ended, it proves that this attempt took no money.
    /// The failure of an earlier attempt stays in the intent until a later one ends, so it proves nothing about that one.
    ///
    /// Failures of different charges differ; those without a charge are compared as a whole.
    #[must_use]
    pub fn fails_anew(&self, intent: &Intent) -> bool {
        let Some(shown) = &intent.last_payment_error else {
            return false;
        };
        if intent.status != IntentStatus::RequiresPaymentMethod {
            return false;
        }
        match &self.shown_error {
            None => true,
            Some(known) if known.charge.is_some() && shown.charge.is_some() => {
                known.charge != shown.charge
            }
            Some(known) => known != shown,
        }
    }

    /// Takes over the intent's facts that never change: its id and its secret, which webhooks may leave out.
    pub(crate) fn identify(&mut self, intent: &Intent) {
        self.intent_id.get_or_insert_with(|| intent.id.clone());
        if self.client_secret.is_none() {
            self.client_secret.clone_from(&intent.client_secret);
        }
    }

    /// Takes over the intent's facts. The status is not among them: it moves along an edge, afterwards.
    ///
    /// Returns `None` where the intent's sums overflow.
    pub(crate) fn absorb(&mut self, intent: &Intent) -> Option<()> {
        self.identify(intent);
        let status = Status::of_intent(intent.status);
        if intent.payment_method.is_some() {
            self.payment_method.clone_from(&intent.payment_method);
        }
        self.next_action = match status {
            Some(Status::RequiresAction) => intent.next_action.clone(),
            _ => None,
        };
        // The error of a refused call stays until the payment moves on or Stripe shows an error of its own.
        if intent.last_payment_error.is_some() || status != Some(self.status) {
            self.last_error.clone_from(&intent.last_payment_error);
            self.shown_error.clone_from(&intent.last_payment_error);
        }
        if status == Some(Status::Canceled) && intent.cancellation_reason.is_some() {
            self.cancellation_reason
                .clone_from(&intent.cancellation_reason);
        }
        let total = intent.amount_received.checked_add(intent.amount_capturable);
        self.captured = intent.amount_received;
        self.capturable = intent.amount_capturable;
        self.authorized = self.authorized.max(total?);
        self.capture_before = intent.capture_before().or(self.capture_before);
        match intent.multicapture() {
            Some(true) => self.multicapture = Some(Multicapture::Available),
            Some(false) if self.multicapture.is_some() => {
                self.multicapture = Some(Multicapture::Unavailable);
            }
            _ => {}
        }
        Some(())
    }
}

impl Status {
    /// Whether only `resync` and `forced` lead out of it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Canceled | Self::LocalRejected)
    }

    /// The status of the same name as Stripe's; `None` where Stripe's status is unknown.
    #[must_use]
    pub const fn of_intent(status: IntentStatus) -> Option<Self> {
        match status {
            IntentStatus::RequiresPaymentMethod => Some(Self::RequiresPaymentMethod),
            IntentStatus::RequiresConfirmation => Some(Self::RequiresConfirmation),
            IntentStatus::RequiresAction => Some(Self::RequiresAction),
            IntentStatus::Processing => Some(Self::Processing),
            IntentStatus::RequiresCapture => Some(Self::RequiresCapture),
            IntentStatus::Succeeded => Some(Self::Succeeded),
            IntentStatus::Canceled => Some(Self::Canceled),
            IntentStatus::Unknown => None,
        }
    }
}

impl Kind {
    /// The kind that an intent in this status reports where no event type says more.
    #[must_use]
    pub const fn of_intent(status: IntentStatus) -> Option<Self> {
        match status {
            IntentStatus::RequiresPaymentMethod => Some(Self::IntentCreated),
            IntentStatus::RequiresConfirmation => Some(Self::MethodAttached),
            IntentStatus::RequiresAction => Some(Self::ActionRequired),
            IntentStatus::Processing => Some(Self::ProcessingStarted),
            IntentStatus::RequiresCapture => Some(Self::CapturableUpdated),
            IntentStatus::Succeeded => Some(Self::Succeeded),
            IntentStatus::Canceled => Some(Self::Canceled),
            IntentStatus::Unknown => None,
        }
    }
}

/// The edge from `from` (`None`: the payment does not exist yet) by `kind` to `to`, if there is one.
#[must_use]
pub fn edge(from: Option<Status>, kind: Kind, to: Status) -> Option<Edge> {
    edge::take::<PaymentGraph>(from, kind, to)
}

/// The kind by which a report of Stripe moves a payment from `from` to `to` in the ordinary course, if it can.
#[must_use]
pub fn find_kind(from: Option<Status>, to: Status) -> Option<Kind> {
    edge::find_kind::<PaymentGraph>(from, to)
}
