//! The tokens of a file of Rust: comments are none of them, and texts are whole.

use proc_macro2::{TokenStream, TokenTree};

use super::source;

/// The tokens of a file.
pub(crate) fn tokens(file: &str) -> Vec<TokenTree> {
    let tokens: TokenStream = source::read(file)
        .parse()
        .unwrap_or_else(|error| panic!("{file}: {error}"));
    tokens.into_iter().collect()
}

/// The tokens of a group.
pub(crate) fn inner(token: &TokenTree) -> Option<Vec<TokenTree>> {
    match token {
        TokenTree::Group(group) => Some(group.stream().into_iter().collect()),
        _ => None,
    }
}

/// Whether a token is this name.
pub(crate) fn is_ident(token: Option<&TokenTree>, name: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(it)) if it == name)
}

/// Whether a token is this sign.
pub(crate) fn is_punct(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(it)) if it.as_char() == sign)
}

/// Calls `see` with the text of each literal.
pub(crate) fn each_literal(tokens: &[TokenTree], see: &mut impl FnMut(&str)) {
    for token in tokens {
        if let TokenTree::Literal(literal) = token {
            see(&literal.to_string());
        }
        if let Some(inner) = inner(token) {
            each_literal(&inner, see);
        }
    }
}

/// The words of a text: letters and underscores, all small.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split(|it: char| !(it.is_alphanumeric() || it == '_'))
        .filter(|it| !it.is_empty())
        .map(str::to_lowercase)
        .collect()
}
