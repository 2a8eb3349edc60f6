//! Stripe's test payment methods and how a payment with each of them ends.

/// A test payment method and how it behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PaymentMethod {
    /// What kind of instrument it is.
    pub(crate) instrument: Instrument,
    /// Whether the customer must authenticate first (3-D Secure).
    pub(crate) authenticated: bool,
    /// How a charge ends.
    pub(crate) outcome: Outcome,
    /// How a refund of such a charge goes.
    pub(crate) refunds: Refunds,
    /// What happens to a charge that has succeeded.
    pub(crate) consequence: Option<Consequence>,
}

/// What happens to a charge a while after it has succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// The customer disputes it for this reason.
    Dispute(&'static str),
    /// The bank asks about it as fraudulent.
    Inquiry,
    /// The bank warns of fraud.
    FraudWarning,
    /// Radar asks for a review.
    Review,
}

/// A kind of instrument.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Instrument {
    /// A card with its brand, last four digits and funding.
    Card(&'static str, &'static str, &'static str),
    /// A bank account in the United States (ACH Direct Debit).
    UsBankAccount,
}

/// How a charge ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// It succeeds at once.
    Succeeds,
    /// It is declined at once.
    Declines(&'static Decline),
    /// It succeeds later.
    SucceedsLater,
    /// It fails later.
    FailsLater(&'static Decline),
    /// It stays pending until it is settled over `/_sim`.
    Processes,
}

/// How a refund goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refunds {
    /// Succeeds at once.
    Succeed,
    /// Starts pending, succeeds later.
    SucceedLater,
    /// Starts succeeded, fails later.
    FailLater,
}

/// Why a charge is declined, as Stripe reports it.
#[derive(Debug)]
pub(crate) struct Decline {
    /// `error.advice_code`.
    pub(crate) advice: Option<&'static str>,
    /// `error.code`.
    pub(crate) code: &'static str,
    /// `error.decline_code`, for cards.
    pub(crate) reason: Option<&'static str>,
    /// `error.message`.
    pub(crate) message: &'static str,
}

const TRY_AGAIN: Option<&str> = Some("try_again_later");
const CONFIRM_DATA: Option<&str> = Some("confirm_card_data");
const DO_NOT_TRY: Option<&str> = Some("do_not_try_again");

/// The decline of a card with `code` `card_declined`.
const fn declined(
    reason: &'static str,
    advice: Option<&'static str>,
    message: &'static str,
) -> Decline {
    Decline {
        advice,
        code: "card_declined",
        reason: Some(reason),
        message,
    }
}

/// The decline of a card whose `code` is also the reason.
const fn refused(
    code: &'static str,
    advice: Option<&'static str>,
    message: &'static str,
) -> Decline {
    Decline {
        advice,
        code,
        reason: Some(code),
        message,
    }
}

/// The failure of a debit from a bank account.
const fn returned(code: &'static str, message: &'static str) -> Decline {
    Decline {
        advice: None,
        code,
        reason: None,
        message,
    }
}

static GENERIC: Decline = declined("generic_decline", TRY_AGAIN, "Your card was declined.");
static INSUFFICIENT_FUNDS: Decline = declined(
    "insufficient_funds",
    TRY_AGAIN,
    "Your card has insufficient funds.",
);
static LOST_CARD: Decline = declined("lost_card", DO_NOT_TRY, "Your card was declined.");
static STOLEN_CARD: Decline = declined("stolen_card", DO_NOT_TRY, "Your card was declined.");
static FRAUDULENT: Decline = declined("fraudulent", DO_NOT_TRY, "Your card was declined.");
static VELOCITY: Decline = declined(
    "card_velocity_exceeded",
    TRY_AGAIN,
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
);
static EXPIRED_CARD: Decline = refused("expired_card", CONFIRM_DATA, "Your card has expired.");
static INCORRECT_CVC: Decline = refused(
    "incorrect_cvc",
    CONFIRM_DATA,
    "Your card's security code is incorrect.",
);
static PROCESSING_ERROR: Decline = refused(
    "processing_error",
    TRY_AGAIN,
    "An error occurred while processing your card. Try again in a little bit.",
);
static NO_FUNDS_IN_BANK: Decline = returned(
    "insufficient_funds",
    "The customer's account has insufficient funds to cover this payment.",
);
static NO_ACCOUNT: Decline = returned(
    "no_account",
    "The customer's bank account could not be located.",
);
static ACCOUNT_CLOSED: Decline = returned(
    "account_closed",
    "The customer's bank account has been closed.",
);
static DEBIT_NOT_AUTHORIZED: Decline = returned(
    "debit_not_authorized",
    "The customer has notified their bank that this payment was unauthorized.",
);

/// The error of an authentication that the customer failed or gave up.
pub(crate) static AUTHENTICATION_FAILED: Decline = returned(
    "payment_intent_authentication_failure",
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a \
     new PaymentMethod to attempt to fulfill this PaymentIntent again.",
);

/// Finds the test payment method called `name`; `None` for a name that Stripe does not know either.
pub(crate) fn find(name: &str) -> Option<PaymentMethod> {
    if let Some(rest) = name.strip_prefix("pm_usBankAccount_") {
        return bank_account(rest);
    }
    let rest = name.strip_prefix("pm_card_")?;
    brand(rest)
        .map(|instrument| card(instrument, false, Outcome::Succeeds))
        .or_else(|| special(rest.strip_prefix("visa_").unwrap_or(rest)))
}

/// The cards that always succeed, with brand, last four digits and funding.
fn brand(name: &str) -> Option<Instrument> {
    let (brand, last4, funding) = match name {
        "visa" | "us" => ("visa", "4242", "credit"),
        "visa_debit" => ("visa", "5556", "debit"),
        "mastercard" => ("mastercard", "4444", "credit"),
        "mastercard_debit" => ("mastercard", "8210", "debit"),
        "mastercard_prepaid" => ("mastercard", "5100", "prepaid"),
        "amex" => ("amex", "8431", "credit"),
        "discover" => ("discover", "9424", "credit"),
        "diners" => ("diners", "3237", "credit"),
        "jcb" => ("jcb", "0505", "credit"),
        "unionpay" => ("unionpay", "0005", "credit"),
        "bypassPending" => ("visa", "0077", "credit"),
        "gb" => ("visa", "0005", "credit"),
        "de" => ("visa", "0016", "credit"),
        "fr" => ("visa", "0003", "credit"),
        "jp" => ("visa", "0003", "debit"),
        _ => return None,
    };
    Some(Instrument::Card(brand, last4, funding))
}

fn special(name: &str) -> Option<PaymentMethod> {
    use Outcome::{Declines, Succeeds};
    let visa = |last4| Instrument::Card("visa", last4, "credit");
    let method = match name {
        "chargeDeclined" => card(visa("0002"), false, Declines(&GENERIC)),
        "chargeDeclinedInsufficientFunds" => {
            card(visa("9995"), false, Declines(&INSUFFICIENT_FUNDS))
        }
        "chargeDeclinedLostCard" => card(visa("9987"), false, Declines(&LOST_CARD)),
        "chargeDeclinedStolenCard" => card(visa("9979"), false, Declines(&STOLEN_CARD)),
        "chargeDeclinedFraudulent" | "radarBlock" => {
            card(visa("0019"), false, Declines(&FRAUDULENT))
        }
        "createDispute" => followed(visa("0259"), Consequence::Dispute("fraudulent")),
        "createDisputeProductNotReceived" => {
            followed(visa("2685"), Consequence::Dispute("product_not_received"))
        }
        "createDisputeInquiry" => followed(visa("1976"), Consequence::Inquiry),
        "createIssuerFraudRecord" => followed(visa("5423"), Consequence::FraudWarning),
        "riskLevelElevated" => followed(visa("9235"), Consequence::Review),
        "chargeDeclinedVelocityLimitExceeded" => card(visa("6975"), false, Declines(&VELOCITY)),
        "chargeDeclinedExpiredCard" => card(visa("0069"), false, Declines(&EXPIRED_CARD)),
        "chargeDeclinedIncorrectCvc" => card(visa("0127"), false, Declines(&INCORRECT_CVC)),
        "chargeDeclinedProcessingError" => card(visa("0119"), false, Declines(&PROCESSING_ERROR)),
        "chargeCustomerFail" => card(visa("0341"), false, Declines(&GENERIC)),
        "authenticationRequired"
        | "authenticationRequiredOnSetup"
        | "threeDSecure2Required"
        | "threeDSecureRequired" => card(visa("3155"), true, Succeeds),
        "authenticationRequiredChargeDeclinedInsufficientFunds" => {
            card(visa("8260"), true, Declines(&INSUFFICIENT_FUNDS))
        }
        "threeDSecureRequiredChargeDeclined" => card(visa("1629"), true, Declines(&GENERIC)),
        "pendingRefund" => PaymentMethod {
            refunds: Refunds::SucceedLater,
            ..card(visa("7726"), false, Succeeds)
        },
        "refundFail" => PaymentMethod {
            refunds: Refunds::FailLater,
            ..card(visa("5126"), false, Succeeds)
        },
        _ => return None,
    };
    Some(method)
}

fn bank_account(name: &str) -> Option<PaymentMethod> {
    let outcome = match name {
        "success" => Outcome::SucceedsLater,
        "processing" => Outcome::Processes,
        "insufficientFunds" => Outcome::FailsLater(&NO_FUNDS_IN_BANK),
        "noAccount" => Outcome::FailsLater(&NO_ACCOUNT),
        "accountClosed" => Outcome::FailsLater(&ACCOUNT_CLOSED),
        "debitNotAuthorized" => Outcome::FailsLater(&DEBIT_NOT_AUTHORIZED),
        _ => return None,
    };
    Some(PaymentMethod {
        instrument: Instrument::UsBankAccount,
        authenticated: false,
        outcome,
        refunds: Refunds::SucceedLater,
        consequence: None,
    })
}

const fn card(instrument: Instrument, authenticated: bool, outcome: Outcome) -> PaymentMethod {
    PaymentMethod {
        instrument,
        authenticated,
        outcome,
        refunds: Refunds::Succeed,
        consequence: None,
    }
}

/// A card that succeeds, and what follows.
const fn followed(instrument: Instrument, consequence: Consequence) -> PaymentMethod {
    PaymentMethod {
        consequence: Some(consequence),
        ..card(instrument, false, Outcome::Succeeds)
    }
}

impl PaymentMethod {
    /// Stripe's `type` of the payment method.
    pub(crate) fn kind(&self) -> &'static str {
        match self.instrument {
            Instrument::Card(..) => "card",
            Instrument::UsBankAccount => "us_bank_account",
        }
    }
}
