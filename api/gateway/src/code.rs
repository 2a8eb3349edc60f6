//! The error codes that only the gateway answers with. docs/errors.md explains them.

infra::codes! {
    /// A POST that moves money came without `Idempotency-Key`.
    IDEMPOTENCY_KEY_MISSING = 400 "idempotency_key_missing", "Idempotency-Key is missing";
    /// The webhook's signature or body is not Stripe's.
    WEBHOOK_INVALID = 400 "webhook_invalid", "The webhook is not genuine";
}
