//! The error codes of callers who are not let in. docs/errors.md explains them.

infra::codes! {
    /// No valid token or API key.
    UNAUTHENTICATED = 401 "unauthenticated", "Authentication is needed";
    /// The caller's role does not allow the request.
    FORBIDDEN = 403 "forbidden", "The role does not allow this";
}
