//! `pawl id`.

use std::process::Command;

const UUID: &str = "01889d89-df3a-7aea-bc61-bd1eefb8d881";

fn id(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pawl"));
    let output = command.arg("id").args(arguments).output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn a_uuid_becomes_an_id_and_the_id_the_uuid_again() {
    let payment = id(&[UUID, "--as", "pay"]).unwrap();
    assert!(payment.starts_with("pay_"), "{payment}");
    assert_eq!(id(&[payment.trim()]).unwrap().trim(), UUID);
    assert!(id(&[UUID]).unwrap().contains(payment.trim()));
    let event = payment.trim().replace("pay_", "evt_") + "_12";
    let stream = id(&[&event]).unwrap();
    assert!(
        stream.contains(UUID) && stream.contains("version  12"),
        "{stream}"
    );
}

#[test]
fn bad_input_is_refused_with_a_reason() {
    let error = id(&["pay_x"]).unwrap_err();
    assert!(
        error.contains("pay_x is neither a UUID nor an id of Pawl"),
        "{error}"
    );
    assert!(id(&[UUID, "--as", "evt"]).unwrap_err().contains("evt"));
}
