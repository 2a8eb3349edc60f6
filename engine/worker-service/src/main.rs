//! worker-service
fn main() {}
