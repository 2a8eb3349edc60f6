//! The error codes of what the engine refuses: bodies, and requests that the payment does not allow. docs/errors.md explains
//! them.

infra::codes! {
    /// The key is empty, longer than 255 characters or not visible ASCII.
    IDEMPOTENCY_KEY_INVALID = 400 "idempotency_key_invalid", "Idempotency-Key is unusable";
    /// An equal request is still being answered.
    IDEMPOTENCY_IN_FLIGHT = 409 "idempotency_in_flight", "An equal request is in flight", retryable;
    /// The outcome of another call to Stripe for this payment is not known yet.
    CALL_IN_FLIGHT = 409 "call_in_flight", "Another call is still open", retryable;
    /// A dispute of the payment is open or lost, so that a refund would give the money back twice.
    DISPUTED = 409 "disputed", "The payment is disputed";
    /// Stripe takes one capture of this payment only.
    MULTICAPTURE_UNAVAILABLE = 409 "multicapture_unavailable", "The payment can be captured once";
    /// The account has a payment with this reference.
    REFERENCE_TAKEN = 409 "reference_taken", "The reference is taken";
    /// An amount outside of the range that the currency or the payment allows.
    INVALID_AMOUNT = 422 "invalid_amount", "The amount is not valid";
    /// A currency that Stripe does not take.
    UNKNOWN_CURRENCY = 422 "unknown_currency", "The currency is unknown";
    /// A value that looks like a card number or a security code.
    CARD_DATA = 422 "card_data", "Card data does not belong here";
    /// The key was used for another body.
    IDEMPOTENCY_KEY_REUSED = 422 "idempotency_key_reused", "Idempotency-Key was used for another body";
    /// An operator has paused the intake of new payments.
    INTAKE_PAUSED = 503 "intake_paused", "No new payments are taken", retryable;
}
