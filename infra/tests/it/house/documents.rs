//! Each file and each link that a document names exists, and each document is listed in docs/README.md.

use std::collections::BTreeSet;
use std::path::Path;

use super::source;

/// Folders and files of the root that a path in a document may begin with.
const ROOTS: &[&str] = &[
    "workflows/",
    "engine/",
    "api/",
    "auth/",
    "infra/",
    "migrations/",
    "docs/",
    ".ci/",
    ".cargo/",
];

/// Endings of file names that are ours when a document names a file without its folder.
const ENDINGS: &[&str] = &[".rs", ".sql", ".lua", ".toml", ".sh", ".txt"];

/// The documents that people read, named from the root.
pub(crate) fn all() -> Vec<String> {
    let mut documents = source::files("docs", ".md");
    documents.extend(
        [
            "README.md",
            "CONTRIBUTING.md",
            "SECURITY.md",
            ".env.example",
        ]
        .map(Into::into),
    );
    documents
}

/// The pieces of code in a document: what stands between backticks, and each line of a block without its comment.
pub(crate) fn code(page: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut in_block = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            pieces.push(line.split(" #").next().unwrap().to_owned());
        } else {
            pieces.extend(line.split('`').skip(1).step_by(2).map(Into::into));
        }
    }
    pieces
}

#[test]
fn each_document_is_listed_in_the_index() {
    let index = source::read("docs/README.md");
    let missing: Vec<String> = source::files("docs", ".md")
        .into_iter()
        .map(|it| it.trim_start_matches("docs/").to_owned())
        .filter(|it| it != "README.md" && !index.contains(&format!("]({it})")))
        .collect();
    assert!(missing.is_empty(), "docs/README.md links no {missing:?}");
}

#[test]
fn each_link_leads_to_a_file_and_a_heading() {
    let mut broken = Vec::new();
    for document in all() {
        let folder = Path::new(&document).parent().unwrap().to_str().unwrap();
        let page = source::read(&document);
        for link in page.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => document.clone(),
                file => normal(&format!("{folder}/{file}")),
            };
            let leads = source::exists(&target)
                && (anchor.is_empty() || headings(&source::read(&target)).contains(anchor));
            if !leads {
                broken.push(format!("{document}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn each_path_that_a_document_names_exists() {
    let known: BTreeSet<String> = ROOTS
        .iter()
        .flat_map(|it| source::files(it.trim_end_matches('/'), ""))
        .filter_map(|it| it.rsplit('/').next().map(Into::into))
        .collect();
    let mut missing = Vec::new();
    for document in all() {
        for piece in words(&source::read(&document)) {
            let path = piece.split('#').next().unwrap();
            let is_path = ROOTS.iter().any(|it| path.starts_with(it));
            let is_name = !path.contains('/') && ENDINGS.iter().any(|it| path.ends_with(it));
            let exists = source::exists(path) || (is_name && known.contains(path));
            if (is_path || is_name) && !exists {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// The words of a document, without the signs around them.
fn words(page: &str) -> impl Iterator<Item = &str> {
    page.split(|it: char| it.is_whitespace() || "`\"'()[]<>|;,={}*".contains(it))
        .map(|it| it.trim_end_matches(['.', ':']))
        .filter(|it| !it.is_empty())
}

/// A path without `.` and `..`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The anchors that the headings of a page get: small letters, hyphens for spaces, no other signs.
pub(crate) fn headings(page: &str) -> BTreeSet<String> {
    let slug = |heading: &str| {
        heading
            .to_lowercase()
            .chars()
            .filter(|it| it.is_alphanumeric() || " -_".contains(*it))
            .map(|it| if it == ' ' { '-' } else { it })
            .collect()
    };
    page.lines()
        .filter(|it| it.starts_with('#'))
        .map(|it| slug(it.trim_start_matches('#').trim()))
        .collect()
}
