//! The files of the repository, as the tests beside this file read them.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::{env, fs};

use serde_json::Value;

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Where its `Cargo.toml` is, from the root of the repository: `engine/contracts`.
    pub(crate) folder: String,
    /// The packages of the workspace that its code imports, sorted.
    pub(crate) imports: Vec<String>,
    /// Those that its tests import beside them, sorted.
    pub(crate) test_imports: Vec<String>,
}

static PACKAGES: LazyLock<Vec<Package>> = LazyLock::new(read_packages);

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .canonicalize()
        .unwrap()
}

/// The text of a file, named from the root.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether there is a file or a folder of this name, from the root.
pub(crate) fn exists(path: &str) -> bool {
    root().join(path).exists()
}

/// The files below a folder whose names end so, named from the root, sorted.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root().join(&folder)) else {
            continue;
        };
        for entry in entries {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The packages of the workspace.
pub(crate) fn packages() -> &'static [Package] {
    &PACKAGES
}

/// The `.rs` files of a package's `src`, sorted.
pub(crate) fn sources(package: &Package) -> Vec<String> {
    files(&format!("{}/src", package.folder), ".rs")
}

/// Every `.rs` file of the workspace: sources, tests, examples.
pub(crate) fn all_rust() -> Vec<String> {
    ["workflows", "engine", "auth", "api", "infra"]
        .iter()
        .flat_map(|room| files(room, ".rs"))
        .collect()
}

fn read_packages() -> Vec<Package> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata: {output:?}");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(read_package).collect()
}

fn read_package(package: &Value) -> Package {
    let name = package["name"].as_str().unwrap().to_owned();
    let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
    let folder = manifest.parent().unwrap().strip_prefix(root()).unwrap();
    let imports = |test: bool| {
        let mut names: Vec<String> = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["path"].is_string() && (it["kind"] == "dev") == test)
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .filter(|it| *it != name)
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let code = imports(false);
    let tests = imports(true);
    Package {
        folder: folder.to_str().unwrap().to_owned(),
        test_imports: tests.into_iter().filter(|it| !code.contains(it)).collect(),
        imports: code,
        name,
    }
}
