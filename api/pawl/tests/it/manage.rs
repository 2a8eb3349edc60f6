//! `pawl users`, `pawl api-keys` and `pawl keys`, on a database that was only migrated.

use std::process::Output;

use crate::program::Workshop;

/// Runs a script with a migrated database; `$PAWL` is the program, and any line that fails ends it.
pub(crate) fn run(script: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_pawl");
    let script = format!("set -e; PAWL={program}; $PAWL migrate >&2; {script}");
    let arguments = ["services", "--kafka", "mock", "--", "sh", "-c", &script];
    Workshop::new().pawl(&arguments).output().unwrap()
}

pub(crate) fn lines(output: &Output) -> Vec<String> {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_first_admin_is_made_and_keeps_the_account_and_its_keys() {
    let output = run(r#"
        $PAWL users create --email ada@example.org --role admin --account Mugs
        echo 'correct horse' | $PAWL users create --email bob@example.org --role user --account Mugs
        $PAWL users role --email bob@example.org --role viewer --account Mugs
        ! $PAWL users role --email ada@example.org --role user --account Mugs
        ! $PAWL users create --email ada@example.org --role admin
        ! $PAWL users create --email short@example.org --role king
        $PAWL users list
        KEY=$($PAWL api-keys create --account Mugs --name shop --rate-limit-per-minute 60 | sed -n 's/^id *//p')
        $PAWL api-keys revoke "$KEY"
        ! $PAWL api-keys revoke "$KEY"
        $PAWL api-keys list --account Mugs
        export JWT_PRIVATE_KEY=$(openssl genpkey -algorithm ed25519 | sed -n 2p)
        $PAWL keys rotate
        $PAWL keys rotate --grace 0
        $PAWL keys list
        psql -qAt "$DATABASE_URL" -c 'select action from audit order by id'
    "#);
    let lines = lines(&output);
    let text = lines.join("\n");
    let made = lines[3].strip_prefix("password  ").unwrap();
    assert_eq!(made.len(), 22, "{text}");
    assert!(!text.contains("correct horse"), "{text}");
    let row = |words: &[&str]| {
        let holds = |line: &&String| words.iter().all(|word| line.contains(word));
        assert_eq!(lines.iter().filter(holds).count(), 1, "{words:?}:\n{text}");
    };
    row(&["ada@example.org", "admin", "usr_", "acct_", "Mugs"]);
    row(&["bob@example.org", "viewer", "usr_", "acct_", "Mugs"]);
    row(&["key_", "shop", "pawl_", "60"]);
    row(&["key_", "is revoked"]);
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.ends_with("retired"))
            .count(),
        2,
        "{text}"
    );
    let acts = &lines[lines.len() - 5..];
    let expected = [
        "member_added",
        "member_added",
        "role_changed",
        "api_key_created",
        "api_key_revoked",
    ];
    assert_eq!(acts, expected, "{text}");
    let errors = String::from_utf8_lossy(&output.stderr);
    for said in ["at least one admin", "is a user already", "not revoked"] {
        assert!(errors.contains(said), "{said}:\n{errors}");
    }
}

#[test]
fn a_key_that_a_deployment_generated_is_stored_once_with_its_account() {
    let output = run(r#"
        KEY=pawl_0123456789abcdef0123456789abcdef
        echo $KEY >key
        for i in 1 2; do $PAWL api-keys create --account Mugs --name shop --key-file key; done
        echo short >key
        ! $PAWL api-keys create --account Mugs --name shop --key-file key 2>error
        cat error
        ! $PAWL api-keys create --account Mugs --name shop --key-file nowhere 2>error
        cat error
        $PAWL api-keys list --account Mugs
        psql -qAt "$DATABASE_URL" -c "select count(*) || ' of Mugs' from account where name = 'Mugs'"
    "#);
    let text = lines(&output).join("\n");
    for part in ["shorter than 22", "nowhere cannot be read", "1 of Mugs"] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    assert_eq!(text.matches("key_").count(), 1, "{text}");
    assert!(!text.contains("0123456789abcdef01"), "{text}");
}
