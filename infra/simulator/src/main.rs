//! stripe-simulator
fn main() {}
