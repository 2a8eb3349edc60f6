//! auth-service
fn main() {}
