//! The ids of callers and of audit records.

infra::ids! {
    /// A person.
    UserId, User, "usr";
    /// An API key of a merchant.
    KeyId, Key, "key";
    /// An audit record.
    AuditId, Audit, "aud";
}
