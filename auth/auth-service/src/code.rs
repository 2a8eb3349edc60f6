//! The error codes that only the auth service answers with. docs/errors.md explains them.

infra::codes! {
    /// A user with this e-mail address exists.
    EMAIL_TAKEN = 409 "email_taken", "The e-mail address is taken";
    /// An account keeps at least one admin.
    LAST_ADMIN = 409 "last_admin", "An account keeps an admin";
}
