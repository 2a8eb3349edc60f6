//! Stripe's own client for Python against the simulator.

use std::path::Path;

use tokio::process::Command;

use crate::support::Simulator;

#[tokio::test]
async fn stripe_python_makes_every_call() {
    let python = std::env::var("PAWL_PYTHON").expect(
        "PAWL_PYTHON must name a python that can import stripe; make test prepares one and sets it",
    );
    let stripe = Simulator::start().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stripe_python.py");
    let output = Command::new(&python)
        .arg(script)
        .arg(&stripe.url)
        .output()
        .await;
    let output = output.expect("the python of PAWL_PYTHON starts");
    assert!(
        output.status.success(),
        "{python}:\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
