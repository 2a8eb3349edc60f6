//! The import table of docs/architecture.md is what the packages do, and no import runs up.

use super::source::{self, Package};

/// The rooms from the ground to the roof; those of one level import nothing of each other.
const LEVELS: [&[&str]; 4] = [&["workflows", "infra"], &["engine"], &["auth"], &["api"]];

/// A row of the table: package, folder, what its code imports, what its tests import beside that.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    package: String,
    folder: String,
    imports: Vec<String>,
    test_imports: Vec<String>,
}

#[test]
fn the_import_table_of_the_architecture_is_true() {
    let mut documented: Vec<Row> = table(&source::read("docs/architecture.md"));
    let mut real: Vec<Row> = source::packages().iter().map(row).collect();
    documented.sort();
    real.sort();
    let wrong: Vec<String> = real
        .iter()
        .filter(|it| !documented.contains(it))
        .map(written)
        .collect();
    assert!(
        wrong.is_empty() && documented.len() == real.len(),
        "the import table of docs/architecture.md has {} rows for {} packages; these are missing:\n{}",
        documented.len(),
        real.len(),
        wrong.join("\n")
    );
}

#[test]
fn no_import_runs_up() {
    for package in source::packages() {
        for name in package.imports.iter().chain(&package.test_imports) {
            let imported = source::packages().iter().find(|it| it.name == *name);
            let imported = imported.unwrap_or_else(|| panic!("{name} is no package"));
            let (above, below) = (room(package), room(imported));
            assert!(
                above == below || level(below) < level(above),
                "{} imports {name}, which is not below it",
                package.name
            );
        }
    }
}

fn room(package: &Package) -> &str {
    package.folder.split('/').next().unwrap()
}

fn level(room: &str) -> usize {
    LEVELS
        .iter()
        .position(|it| it.contains(&room))
        .unwrap_or_else(|| panic!("{room} is no room"))
}

fn row(package: &Package) -> Row {
    Row {
        package: package.name.clone(),
        folder: format!("{}/", package.folder),
        imports: package.imports.clone(),
        test_imports: package.test_imports.clone(),
    }
}

/// The rows of the table whose first column is headed `package`.
fn table(page: &str) -> Vec<Row> {
    page.lines()
        .skip_while(|it| !it.starts_with("| package |"))
        .skip(2)
        .take_while(|it| it.starts_with('|'))
        .map(|line| {
            let cells: Vec<Vec<String>> = line.split('|').map(quoted).collect();
            Row {
                package: cells[1][0].clone(),
                folder: cells[2][0].clone(),
                imports: cells[3].clone(),
                test_imports: cells[4].clone(),
            }
        })
        .collect()
}

/// What stands between backticks, sorted.
fn quoted(cell: &str) -> Vec<String> {
    let mut names: Vec<String> = cell.split('`').skip(1).step_by(2).map(Into::into).collect();
    names.sort();
    names
}

fn written(row: &Row) -> String {
    let list = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|it| format!("`{it}`")).collect();
        names.join(" ")
    };
    format!(
        "| `{}` | `{}` | {} | {} |",
        row.package,
        row.folder,
        list(&row.imports),
        list(&row.test_imports)
    )
}
