//! Each command that a document shows exists: `make`, `pawl` and `cargo` with what follows them.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};

use super::{documents, source};

#[test]
fn each_make_target_exists() {
    let makefile = source::read("Makefile");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter_map(|it| it.split_once(": ## "))
        .map(|it| it.0)
        .collect();
    assert!(targets.contains("run"), "{targets:?}");
    let missing = missing(|words, at| {
        let target = words.get(at + 1)?;
        let is_made = words[at] == "make" && target.bytes().all(|it| it.is_ascii_lowercase());
        (is_made && !targets.contains(&**target)).then(|| format!("make {target}"))
    });
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn each_command_of_pawl_exists() {
    let (commands, flags) = command_line();
    assert!(commands.contains("migrate"), "{commands:?}");
    let missing = missing(|words, at| {
        if !(words[at] == "pawl" || words[at].ends_with("/pawl")) || at > 0 && words[at - 1] == "-p"
        {
            return None;
        }
        let behind: Vec<&String> = words[at + 1..]
            .iter()
            .take_while(|it| *it != "--" && *it != "|" && *it != "&&")
            .collect();
        let named = behind.iter().take_while(|it| is_name(it)).take(2);
        let unknown = named.into_iter().find(|it| !commands.contains(&***it));
        let flag = behind
            .iter()
            .filter_map(|it| it.strip_prefix("--"))
            .find(|it| !flags.contains(&it.replace('-', "_")));
        let wrong = unknown.map(|it| it.as_str()).or(flag)?;
        Some(format!("pawl … {wrong}"))
    });
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn each_package_test_and_example_of_a_cargo_command_exists() {
    let missing = missing(|words, at| {
        if words[at] != "cargo" {
            return None;
        }
        let behind = &words[at + 1..];
        let after = |flag: &str| {
            let at = behind.iter().position(|it| it == flag)?;
            behind.get(at + 1)
        };
        let name = after("-p")?;
        let Some(package) = source::packages().iter().find(|it| it.name == *name) else {
            return Some(format!("cargo -p {name}"));
        };
        let mut files = Vec::new();
        files.extend(after("--example").map(|it| format!("examples/{it}.rs")));
        files.extend(after("--test").map(|it| format!("tests/{it}/main.rs")));
        let filter = after("it").filter(|it| is_name(it));
        files.extend(filter.map(|it| format!("tests/it/{it}.rs")));
        files
            .into_iter()
            .map(|it| format!("{}/{it}", package.folder))
            .find(|it| !source::exists(it))
    });
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// What `check` says of any word of the documents' code, with the name of the document.
fn missing(check: impl Fn(&[String], usize) -> Option<String>) -> Vec<String> {
    let mut missing = Vec::new();
    for document in documents::all() {
        for piece in documents::code(&source::read(&document)) {
            let words: Vec<String> = piece
                .split(|it: char| it.is_whitespace() || "'\"()".contains(it))
                .filter(|it| !it.is_empty())
                .map(Into::into)
                .collect();
            let found = (0..words.len()).filter_map(|at| check(&words, at));
            missing.extend(found.map(|it| format!("{document}: {it}")));
        }
    }
    missing
}

/// Whether a word can be the name of a command: small letters and hyphens.
fn is_name(word: &str) -> bool {
    word.starts_with(|it: char| it.is_ascii_lowercase())
        && word
            .bytes()
            .all(|it| it.is_ascii_lowercase() || b"-_".contains(&it))
}

/// The names of pawl's commands and values, and its flags, from the types that clap reads.
fn command_line() -> (BTreeSet<String>, BTreeSet<String>) {
    let mut commands = BTreeSet::from(["help".to_owned()]);
    let mut flags = BTreeSet::from(["help".to_owned(), "version".to_owned()]);
    let folders = source::packages()
        .iter()
        .filter(|it| it.folder.starts_with("api/"));
    for file in folders.flat_map(source::sources) {
        let tokens: TokenStream = source::read(&file).parse().unwrap();
        read_command_line(tokens, &mut commands, &mut flags);
    }
    (commands, flags)
}

/// Every variant of an enum may be a command, every field of a struct a flag: the parser of clap is not repeated here.
fn read_command_line(
    tokens: TokenStream,
    commands: &mut BTreeSet<String>,
    flags: &mut BTreeSet<String>,
) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut derives = String::new();
    for window in tokens.windows(3) {
        match window {
            [TokenTree::Punct(sign), TokenTree::Group(attribute), _] if sign.as_char() == '#' => {
                derives.push_str(&attribute.to_string());
            }
            [
                TokenTree::Ident(kind),
                TokenTree::Ident(_),
                TokenTree::Group(body),
            ] => {
                if kind == "enum"
                    && (derives.contains("Subcommand") || derives.contains("ValueEnum"))
                {
                    commands.extend(idents(body.stream(), ',').iter().map(|it| kebab(it)));
                }
                if kind == "struct" && (derives.contains("Args") || derives.contains("Parser")) {
                    flags.extend(idents(body.stream(), ':'));
                }
                derives.clear();
            }
            _ => {}
        }
    }
}

/// The names of a body: those before a colon (fields), or those that begin a part between commas (variants).
fn idents(body: TokenStream, sign: char) -> Vec<String> {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    let is_sign = |it: Option<&TokenTree>, sign: char| matches!(it, Some(TokenTree::Punct(it)) if it.as_char() == sign);
    let names = tokens.iter().enumerate().filter_map(|(at, token)| {
        let TokenTree::Ident(name) = token else {
            return None;
        };
        let next = tokens.get(at + 1);
        let is_field = sign == ':' && is_sign(next, ':') && !is_sign(tokens.get(at + 2), ':');
        let is_variant = sign == ','
            && (next.is_none() || is_sign(next, ',') || matches!(next, Some(TokenTree::Group(_))));
        (is_field || is_variant).then(|| name.to_string())
    });
    names.collect()
}

fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}
