//! The table of environment variables: its documents, and every row with values that are wrong.

use std::collections::BTreeSet;

use infra::Env;
use infra::env::variable::{Example, Form, Program, Unset, Variable};
use infra::env::{documents, table};

use crate::house::source;

#[test]
fn the_documents_are_generated_from_the_table() {
    for (path, text) in [
        (".env.example", documents::example()),
        ("docs/configuration.md", documents::page()),
    ] {
        if std::env::var_os("UPDATE_CONFIGURATION").is_some() {
            std::fs::write(source::root().join(path), &text).unwrap();
        }
        assert!(
            source::read(path) == text,
            "{path} is not what the table says: UPDATE_CONFIGURATION=1 cargo test -p infra --test it configuration"
        );
    }
}

#[test]
fn each_variable_has_a_name_of_its_own_a_reader_and_values_that_it_accepts() {
    let mut names = BTreeSet::new();
    for variable in table::all() {
        let name = variable.name;
        assert!(names.insert(name), "{name} is twice in the table");
        assert!(!variable.readers.is_empty(), "nobody reads {name}");
        assert!(variable.about.ends_with('.'), "{name}");
        let (Example::Set(example) | Example::Commented(example)) = variable.example;
        let example = example.trim_matches('"');
        assert!(
            example.is_empty() || variable.form.accepts(example),
            "{name}={example}"
        );
        if let Unset::Value(default) = variable.unset {
            assert!(variable.form.accepts(default), "{name}={default}");
        }
    }
}

/// Values that a variable of this form must not have. None is a part of what a fault says by itself.
fn wrong(form: Form) -> Vec<String> {
    let texts: &[&str] = match form {
        Form::Postgres => &[
            "mysql://h0rse@db/pawl",
            "h0rse:5432",
            "postgres:h0rse",
            "postgres://h0rse:port/pawl",
        ],
        Form::Redis => &["h0rse:6379", "http://h0rse:6379", "redis:h0rse"],
        Form::Brokers => &[
            "h0rse",
            "h0rse:",
            ":9092",
            "h0rse:9092,",
            "h0rse:0",
            "h0rse:70000",
            "http://h0rse:9092",
        ],
        Form::HttpUrl => &["h0rse", "ftp://h0rse", "http://", "//h0rse"],
        Form::Socket => &[
            "h0rse",
            "localhost:8080",
            "127.0.0.1",
            "127.0.0.1:70000",
            ":8080",
        ],
        Form::Number { least, most } => return wrong_numbers(least, most),
        Form::Share => &["-0.1", "1.1", "5", "NaN", "half"],
        Form::Switch => &["yes", "1", "TRUE", "on"],
        Form::Word(_) => &["plain", "PLAIN,SSL", "none"],
        Form::Text => &["h0rse\nh0rse", "h\u{f6}rse", "\u{7}"],
        Form::StripeKey => &[
            "h0rse",
            "pk_test_h0rse",
            "sk_test_",
            "sk_h0rse",
            " sk_test_h0rse",
            "whsec_h0rse",
        ],
        Form::StripeAccount => &["h0rse", "acct_", "cus_h0rse", "acct_h0 rse"],
        Form::WebhookSecrets => &[
            "h0rse",
            "whsec_",
            "whsec_h0rse,",
            "whsec_h0rse,,whsec_h0rse",
            "sk_test_h0rse",
        ],
        Form::ApiKeys => &["h0rse", "0123456789012345678901,h0rse"],
        Form::PrivateKey => &["h0rse", "aDByc2U=", "-----BEGIN PUBLIC KEY-----h0rse"],
        Form::Networks => &["h0rse", "10.0.0.0/33", "10.0.0", "127.0.0.1,h0rse"],
        Form::RouteLimits => &[
            "h0rse",
            "POST /h0rse",
            "POST /h0rse=many",
            "/h0rse=3",
            "POST h0rse=3",
            "POST /h0rse=-1",
        ],
        Form::EventTypes => &["h0rse", "H0RSE.created", "charge refunded"],
        Form::CrashPoint => &["h0rse", "foo.bar", "create_intent", "create_intent.never"],
        Form::LogFilter => &["engine=loud", "=", "a=b=c"],
    };
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn wrong_numbers(least: u64, most: u64) -> Vec<String> {
    let mut wrong = vec![
        "many".to_owned(),
        "-1".to_owned(),
        "1.5".to_owned(),
        "0x10".to_owned(),
    ];
    wrong.extend(least.checked_sub(1).map(|number| number.to_string()));
    wrong.push((u128::from(most) + 1).to_string());
    wrong
}

fn faults(variable: &Variable, value: &str) -> String {
    let env = Env::from_pairs([(variable.name, value)]);
    let _ = env.optional(variable.name);
    env.finish()
        .map_or_else(|faults| faults.to_string(), |()| String::new())
}

#[test]
fn each_wrong_value_is_refused_with_the_name_what_is_allowed_and_no_secret() {
    for variable in table::all() {
        for value in wrong(variable.form) {
            let said = faults(variable, &value);
            let fault: Vec<&str> = said
                .lines()
                .filter(|it| it.contains(variable.name))
                .collect();
            assert_eq!(fault.len(), 1, "{}={value:?}: {said}", variable.name);
            assert!(fault[0].contains(&variable.form.allowed()), "{}", fault[0]);
            let shown = format!("{value:?}");
            assert_eq!(fault[0].contains(&shown), !variable.secret, "{}", fault[0]);
            assert!(
                !variable.secret || !fault[0].contains("h0rse"),
                "{}",
                fault[0]
            );
        }
    }
}

#[test]
fn the_ends_of_each_range_are_accepted() {
    for variable in table::all() {
        if let Form::Number { least, most } = variable.form {
            for number in [least, most] {
                assert!(
                    variable.form.accepts(&number.to_string()),
                    "{} {number}",
                    variable.name
                );
            }
        }
    }
}

#[test]
fn a_review_names_what_each_service_needs() {
    for program in Program::SERVICES {
        let mut env = Env::from_pairs::<&str, &str>([]);
        let findings = env.review(&[program]);
        let said = env.finish().unwrap_err().to_string();
        for finding in findings {
            let is_required = finding.variable.unset == Unset::Refused;
            let name = finding.variable.name;
            assert_eq!(finding.fault.is_some(), is_required, "{name}");
            assert_eq!(
                said.contains(&format!("{name} is missing")),
                is_required,
                "{name}"
            );
        }
    }
}
