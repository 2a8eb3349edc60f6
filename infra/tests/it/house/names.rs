//! Each test, each name of the code and each variable that a document mentions exists.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};

use super::{documents, source};

/// Words before the name that they define.
const KEYWORDS: &[&str] = &[
    "fn", "struct", "enum", "trait", "type", "const", "static", "mod", "impl", "for",
];

/// Prefixes of variables that a library reads, not Pawl.
const LIBRARIES: &[&str] = &["OTEL_"];

/// What a file of Rust contains.
#[derive(Default)]
struct File {
    /// Names that are defined, and types that are implemented.
    defined: BTreeSet<String>,
    /// All names.
    named: BTreeSet<String>,
    /// All texts, without their quotes.
    literals: BTreeSet<String>,
    /// The names of metrics: the first text between the parentheses of a `new`.
    metrics: BTreeSet<String>,
}

#[test]
fn each_test_that_a_document_names_exists() {
    let mut missing = Vec::new();
    let mut found = 0;
    for document in documents::all() {
        let mut package = None;
        for piece in documents::code(&source::read(&document)) {
            let (first, path) = piece.split_once(' ').unwrap_or(("", &piece));
            package = source::packages()
                .iter()
                .find(|it| it.name == first)
                .or(package);
            let (Some(package), Some((file, test))) = (package, path.rsplit_once("::")) else {
                continue;
            };
            let is_test = test.matches('_').count() > 3 && !test.contains(' ');
            if !is_test {
                continue;
            }
            let file = format!("{}/tests/it/{}.rs", package.folder, file.replace("::", "/"));
            if source::exists(&file) && source::read(&file).contains(&format!("fn {test}()")) {
                found += 1;
            } else {
                missing.push(format!("{document}: {test} in {file}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(found > 20, "the documents name {found} tests only");
}

#[test]
fn each_row_of_the_compatibility_document_names_a_test() {
    let page = source::read("docs/compatibility.md");
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| what |"))
        .collect();
    let without: Vec<&&str> = rows
        .iter()
        .filter(|row| {
            !row.rsplit('|')
                .nth(1)
                .is_some_and(|cell| cell.contains("::"))
        })
        .collect();
    assert!(without.is_empty(), "{without:#?}");
    assert!(rows.len() > 20, "{} rows only", rows.len());
}

#[test]
fn each_name_of_the_code_that_a_document_mentions_exists() {
    let files = rust();
    let mut missing = Vec::new();
    for document in documents::all() {
        for piece in documents::code(&source::read(&document)) {
            let path = piece.rsplit(' ').next().unwrap().trim_end_matches("()");
            let segments: Vec<&str> = path.split("::").collect();
            let is_path = segments.len() > 1
                && segments.iter().all(|it| {
                    !it.is_empty()
                        && it
                            .bytes()
                            .all(|it| it.is_ascii_alphanumeric() || b"_/-".contains(&it))
                });
            if is_path && !is_defined(&files, &segments) {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn each_variable_of_the_documents_is_read_by_the_code() {
    let files = rust();
    let scripts: String = [("infra", ".sh"), ("docs/samples", ".py")]
        .iter()
        .flat_map(|(folder, ending)| source::files(folder, ending))
        .chain(["infra/compose.yml", "infra/haproxy.cfg"].map(Into::into))
        .map(|it| source::read(&it))
        .collect();
    let is_known = |name: &str| {
        let is_in = |it: &File| it.literals.contains(name) || it.defined.contains(name);
        files.values().any(is_in) || scripts.contains(name)
    };
    let is_read = |name: &str| is_known(name) || name.strip_suffix("_FILE").is_some_and(is_known);
    let mut unread = BTreeSet::new();
    for document in documents::all() {
        let page = source::read(&document);
        for name in variables(&page) {
            // A block of shell may set a variable of its own.
            let is_own = document != ".env.example" && page.contains(&format!("{name}=$"));
            let is_library = LIBRARIES.iter().any(|it| name.starts_with(it));
            if !is_own && !is_library && !is_read(name) {
                unread.insert(format!("{document}: {name}"));
            }
        }
    }
    assert!(unread.is_empty(), "{unread:#?}");
}

#[test]
fn each_metric_is_in_the_table_of_the_documents_and_no_other() {
    let is_metric = |it: &str| it.starts_with("pawl_") && it.matches('_').count() > 1;
    let code: BTreeSet<String> = rust()
        .into_iter()
        .filter(|(path, _)| path.contains("/src/"))
        .flat_map(|(_, file)| file.metrics)
        .collect();
    let page = source::read("docs/observability.md");
    let documented: BTreeSet<String> = page
        .lines()
        .filter(|it| it.starts_with("| `pawl_"))
        .flat_map(|it| it.split('|').nth(1).unwrap().split('`'))
        .filter(|it| is_metric(it))
        .map(Into::into)
        .collect();
    assert_eq!(
        documented, code,
        "the table of docs/observability.md and the metrics"
    );
}

/// Whether the last of these names is defined in a file that the one before names: by its path, or by a type in it.
fn is_defined(files: &BTreeMap<String, File>, segments: &[&str]) -> bool {
    let [.., owner, name] = segments else {
        return true;
    };
    let owner = owner.rsplit('/').next().unwrap_or(owner);
    files.iter().any(|(path, file)| {
        let is_owner = file.defined.contains(owner)
            || path
                .trim_end_matches(".rs")
                .split('/')
                .any(|it| it.replace('-', "_") == owner);
        let is_variant = name.starts_with(|it: char| it.is_ascii_uppercase());
        is_owner && (file.defined.contains(*name) || is_variant && file.named.contains(*name))
    })
}

/// The words of a page that are spelt as variables are: capitals and underscores.
pub(crate) fn variables(page: &str) -> impl Iterator<Item = &str> {
    page.split(|it: char| !(it.is_ascii_alphanumeric() || it == '_'))
        .filter(|it| it.contains('_') && it.len() > 4)
        .filter(|it| it.starts_with(|it: char| it.is_ascii_uppercase()))
        .filter(|it| !it.ends_with('_'))
        .filter(|it| {
            it.bytes()
                .all(|it| it.is_ascii_uppercase() || b"_0123456789".contains(&it))
        })
}

fn rust() -> BTreeMap<String, File> {
    source::all_rust()
        .into_iter()
        .map(|path| {
            let tokens: TokenStream = source::read(&path)
                .parse()
                .unwrap_or_else(|error| panic!("{path}: {error}"));
            let mut file = File::default();
            read(tokens, &mut file);
            (path, file)
        })
        .collect()
}

fn read(tokens: TokenStream, file: &mut File) {
    let mut before = String::new();
    for token in tokens {
        match token {
            TokenTree::Ident(it) => {
                let name = it.to_string();
                if KEYWORDS.contains(&&*before) {
                    file.defined.insert(name.clone());
                }
                before.clone_from(&name);
                file.named.insert(name);
                continue;
            }
            TokenTree::Literal(it) => {
                file.literals
                    .insert(it.to_string().trim_matches('"').to_owned());
            }
            TokenTree::Group(it) => {
                let first = it.stream().into_iter().next().map(|it| it.to_string());
                let metric = first.filter(|it| before == "new" && it.starts_with("\"pawl_"));
                file.metrics
                    .extend(metric.map(|it| it.trim_matches('"').to_owned()));
                read(it.stream(), file);
            }
            TokenTree::Punct(_) => {}
        }
        before.clear();
    }
}
