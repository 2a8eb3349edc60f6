//! pawl
fn main() {}
