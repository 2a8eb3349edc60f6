//! Rules of style that neither the compiler nor clippy checks.

use proc_macro2::{TokenStream, TokenTree};

use super::source;
use super::tokens::{inner, is_ident, is_punct, tokens};

/// The most lines that a file of Rust may have.
const LINES: usize = 400;

#[test]
fn no_file_has_more_than_400_lines() {
    let long: Vec<String> = source::all_rust()
        .into_iter()
        .filter(|it| source::read(it).lines().count() > LINES)
        .collect();
    assert!(long.is_empty(), "over {LINES} lines: {long:?}");
}

#[test]
fn a_module_is_named_by_its_file() {
    let found: Vec<String> = source::all_rust()
        .into_iter()
        .filter(|it| it.ends_with("/mod.rs"))
        .collect();
    assert!(found.is_empty(), "x.rs instead of x/mod.rs: {found:?}");
}

#[test]
fn an_import_has_one_level_of_braces() {
    let mut nested = Vec::new();
    for file in source::all_rust() {
        each_import(&tokens(&file), &mut |import| {
            if import.iter().any(has_nested_braces) {
                let text: TokenStream = import.iter().cloned().collect();
                nested.push(format!("{file}: use {text}"));
            }
        });
    }
    assert!(nested.is_empty(), "{}", nested.join("\n"));
}

/// Calls `see` with the tokens between each `use` and its semicolon.
fn each_import(tokens: &[TokenTree], see: &mut impl FnMut(&[TokenTree])) {
    for (at, token) in tokens.iter().enumerate() {
        if is_ident(Some(token), "use") && !is_punct(tokens.get(at + 1), '<') {
            let end = (at..tokens.len())
                .find(|it| is_punct(tokens.get(*it), ';'))
                .unwrap_or(tokens.len());
            see(&tokens[at + 1..end]);
        }
        if let Some(inner) = inner(token) {
            each_import(&inner, see);
        }
    }
}

fn has_nested_braces(token: &TokenTree) -> bool {
    inner(token).is_some_and(|it| it.iter().any(|it| inner(it).is_some()))
}
