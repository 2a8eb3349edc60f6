//! `pawl machines`.

use std::process::Command;

use serde_json::Value;

/// Every machine, as `docs/machines.md` names them.
const MACHINES: [&str; 8] = [
    "payment",
    "attempt",
    "capture",
    "refund",
    "dispute",
    "dispute_funds",
    "dispute_evidence",
    "job",
];

fn machines(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pawl"));
    let output = command.arg("machines").args(arguments).output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn every_machine_is_printed_in_every_form_with_the_same_statuses() {
    let document = include_str!("../../../../docs/machines.md");
    for machine in MACHINES {
        let print = |format| machines(&["--machine", machine, "--format", format]).unwrap();
        let mermaid = print("mermaid");
        assert!(document.contains(mermaid.trim()), "{mermaid}");
        let json: Value = serde_json::from_str(&print("json")).unwrap();
        assert_eq!(json["machine"], machine);
        let svg = print("svg");
        assert!(svg.contains("<svg") && svg.trim().ends_with("</svg>"));
        for arrow in json["arrows"].as_array().unwrap() {
            let to = arrow["to"].as_str().unwrap();
            assert!(svg.contains(&format!(">{to}</")), "{machine} {to}");
            for edge in arrow["edges"].as_array().unwrap() {
                assert!(svg.contains(edge.as_str().unwrap()), "{machine} {edge}");
            }
        }
    }
}

#[test]
fn the_current_status_and_the_path_are_marked() {
    let path = "none,local_created,requires_action,requires_capture";
    let print = |format| machines(&["--format", format, "--path", path]).unwrap();
    assert!(print("mermaid").contains("class requires_capture current"));
    let json: Value = serde_json::from_str(&print("json")).unwrap();
    assert_eq!(json["current"], "requires_capture");
    let steps = json["arrows"].as_array().unwrap().iter();
    let steps: usize = steps.map(|it| it["steps"].as_array().unwrap().len()).sum();
    assert_eq!(steps, 3);
    let svg = print("svg");
    let plain = machines(&["--format", "svg"]).unwrap();
    assert_eq!(
        (
            svg.matches("#ffe08a").count(),
            plain.matches("#ffe08a").count()
        ),
        (1, 0)
    );
    assert_eq!(
        (
            svg.matches("#cfe2ff").count(),
            plain.matches("#cfe2ff").count()
        ),
        (2, 0)
    );
}

#[test]
fn a_status_or_a_path_that_the_machine_does_not_have_is_refused_with_a_reason() {
    let unknown = machines(&["--state", "paid"]).unwrap_err();
    assert!(
        unknown.contains("no status paid") && unknown.contains("succeeded"),
        "{unknown}"
    );
    let path = machines(&["--machine", "job", "--path", "done,queued"]).unwrap_err();
    assert!(path.contains("no edge leads from done to queued"), "{path}");
    let machine = machines(&["--machine", "payout"]).unwrap_err();
    assert!(
        machine.contains("payment") && machine.contains("job"),
        "{machine}"
    );
}
