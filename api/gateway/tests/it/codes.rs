//! Error codes: docs/errors.md explains exactly those that the services declare.

use std::collections::BTreeSet;

#[test]
fn every_code_has_an_anchor_in_the_docs_and_every_anchor_a_code() {
    let page = include_str!("../../../../docs/errors.md");
    let anchors: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let declared = [
        infra::http::code::ALL,
        authz::code::ALL,
        auth_service::code::ALL,
        engine::code::ALL,
        gateway::code::ALL,
    ];
    let codes: Vec<_> = declared.into_iter().flatten().collect();
    let names: BTreeSet<&str> = codes.iter().map(|code| code.as_str()).collect();
    assert_eq!(anchors, names);
    assert_eq!(names.len(), codes.len(), "two codes have one name");
    let titles: BTreeSet<&str> = codes.iter().map(|code| code.title()).collect();
    assert_eq!(titles.len(), codes.len(), "two codes have one title");
    for code in codes {
        let status = code.status().as_u16();
        assert!((400..600).contains(&status), "{}", code.as_str());
    }
}
