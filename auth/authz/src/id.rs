//! Ids of who calls and of what they did.

infra::ids! {
    /// A person.
    UserId, User, "usr";
    /// An API key of a merchant.
    KeyId, Key, "key";
    /// A record of who did what.
    AuditId, Audit, "aud";
}
