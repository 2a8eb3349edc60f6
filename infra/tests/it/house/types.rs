//! A name of a type means one type in its crate.

use std::collections::BTreeMap;

use proc_macro2::TokenTree;

use super::source;
use super::tokens::{inner, is_ident, is_punct, tokens};

/// Types that each machine of `workflows` defines (`payment::Status`, `refund::Kind`), and Stripe's object beside ours
/// (`stripe::Refund`).
const SHARED_NAMES: &[&str] = &["Dispute", "Kind", "Refund", "Status"];

#[test]
fn no_two_public_types_of_a_crate_have_one_name() {
    let mut found = Vec::new();
    for package in source::packages() {
        let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in source::sources(package) {
            for name in public_types(&tokens(&file)) {
                types.entry(name).or_default().push(file.clone());
            }
        }
        for (name, files) in types {
            if files.len() > 1 && !SHARED_NAMES.contains(&&*name) {
                found.push(format!("{name}: {}", files.join(", ")));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The types that a file defines for other crates.
fn public_types(tokens: &[TokenTree]) -> Vec<String> {
    let mut types = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if is_ident(Some(token), "pub")
            && let Some(TokenTree::Ident(word)) = tokens.get(at + 1)
            && let Some(TokenTree::Ident(name)) = tokens.get(at + 2)
            && ["struct", "enum", "trait", "type", "union"]
                .iter()
                .any(|it| word == it)
        {
            types.push(name.to_string());
        }
        let is_module = at > 1 && is_ident(tokens.get(at - 2), "mod");
        let is_macro = at > 0 && is_punct(tokens.get(at - 1), '!');
        if let (true, Some(inner)) = (is_module || is_macro, inner(token)) {
            types.extend(public_types(&inner));
        }
    }
    types
}
