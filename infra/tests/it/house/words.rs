//! Log lines use the terms of docs/glossary.md.

use proc_macro2::TokenTree;

use super::source;
use super::tokens::{each_literal, inner, is_ident, is_punct, tokens, words};

/// Macros of `tracing` whose text is a log line.
const LOG_MACROS: &[&str] = &["trace", "debug", "info", "warn", "error"];

#[test]
fn log_lines_use_the_words_of_the_glossary() {
    let banned = old_words(&source::read("docs/glossary.md"));
    assert!(banned.len() > 10, "the glossary was not read: {banned:?}");
    let mut found = Vec::new();
    for file in source::packages().iter().flat_map(source::sources) {
        each_log_line(&tokens(&file), &mut |text| {
            let words = words(text);
            if let Some(word) = banned.iter().find(|it| contains(&words, it)) {
                found.push(format!("{file}: {word:?} in {text}"));
            }
        });
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Calls `see` with the text of each `tracing::warn!` and its like: all literals between its parentheses.
fn each_log_line(tokens: &[TokenTree], see: &mut impl FnMut(&str)) {
    for (at, token) in tokens.iter().enumerate() {
        let is_log = LOG_MACROS.iter().any(|it| is_ident(Some(token), it))
            && is_punct(tokens.get(at + 1), '!');
        if let (true, Some(arguments)) = (is_log, tokens.get(at + 2).and_then(inner)) {
            each_literal(&arguments, see);
        }
        if let Some(inner) = inner(token) {
            each_log_line(&inner, see);
        }
    }
}

/// The words of the glossary's last column: what a term replaces.
fn old_words(page: &str) -> Vec<String> {
    page.lines()
        .filter(|it| it.starts_with("| ") && !it.starts_with("| term |"))
        .filter_map(|line| line.trim_end().trim_end_matches('|').rsplit('|').next())
        .flat_map(|cell| cell.split(','))
        .map(|it| it.trim().to_lowercase())
        .filter(|it| !it.is_empty())
        .collect()
}

fn contains(text: &[String], old: &str) -> bool {
    let old = words(old);
    text.windows(old.len()).any(|it| it == old)
}
