//! The modules of a crate, read from its tokens: what each file defines, and which names of which files it uses.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::source;

/// A module of a crate by its names from the root: `["store", "job"]`.
type Name = Vec<String>;

/// A path that a module uses: its segments.
type Path = Vec<String>;

/// A crate as its modules.
pub(crate) struct Crate {
    modules: BTreeMap<Name, Module>,
}

/// A module: a file, or a part of one.
#[derive(Default)]
struct Module {
    file: String,
    /// What is defined here: functions, types, constants, macros.
    items: BTreeSet<String>,
    children: BTreeSet<String>,
    /// Names that `use` brings here, and the paths they stand for.
    imports: BTreeMap<String, Path>,
    /// Paths whose every name is brought here.
    globs: Vec<Path>,
    /// All paths of two segments or more that are written here, `use` among them.
    paths: Vec<Path>,
}

/// Where a path leads within its crate.
enum Target {
    Module(Name),
    Item(Name),
}

/// One file uses a name that another defines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) path: String,
}

impl Crate {
    /// The crate whose root file this is, named from the root of the repository.
    pub(crate) fn read(root_file: &str) -> Self {
        let mut read = Self {
            modules: BTreeMap::new(),
        };
        let folder = root_file.rsplit_once('/').unwrap().0.to_owned();
        read.read_file(&Vec::new(), root_file, &folder);
        read
    }

    fn read_file(&mut self, name: &Name, file: &str, folder: &str) {
        let tokens: TokenStream = source::read(file)
            .parse()
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        let mut outside = Vec::new();
        self.read_module(name, file, tokens, &mut outside);
        for child in outside {
            let file = format!("{folder}/{}.rs", child.join("/"));
            self.read_file(&child, &file, folder);
        }
    }

    /// Reads one module's tokens; modules that are files of their own are put into `outside`.
    fn read_module(
        &mut self,
        name: &Name,
        file: &str,
        tokens: TokenStream,
        outside: &mut Vec<Name>,
    ) {
        let mut module = Module {
            file: file.to_owned(),
            ..Module::default()
        };
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        let mut of_tests = false;
        while at < tokens.len() {
            let next = ident(tokens.get(at + 1));
            match (ident(tokens.get(at)).as_deref(), next) {
                (Some("mod"), Some(child)) => {
                    let mut path = name.clone();
                    path.push(child.clone());
                    if !of_tests {
                        module.children.insert(child);
                        match tokens.get(at + 2) {
                            Some(TokenTree::Group(group)) => {
                                self.read_module(&path, file, group.stream(), outside);
                            }
                            _ => outside.push(path),
                        }
                    }
                    at += 3;
                    of_tests = false;
                    continue;
                }
                (
                    Some(
                        "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union",
                    ),
                    Some(item),
                ) => {
                    module.items.insert(item);
                }
                (Some("macro_rules"), _) => {
                    module.items.extend(ident(tokens.get(at + 2)));
                }
                _ => {}
            }
            match &tokens[at] {
                TokenTree::Punct(it) if it.as_char() == '#' => {
                    let attribute = tokens.get(at + 1).map(ToString::to_string);
                    of_tests |= attribute.is_some_and(|it| it.replace(' ', "") == "[cfg(test)]");
                    at += 2;
                    continue;
                }
                TokenTree::Punct(it) if it.as_char() == ';' => of_tests = false,
                TokenTree::Group(it) if it.delimiter() == Delimiter::Brace => of_tests = false,
                _ => {}
            }
            at += 1;
        }
        module.read_paths(&tokens, true);
        self.modules.insert(name.clone(), module);
    }

    /// Each use of a name by a file that does not define it.
    pub(crate) fn edges(&self) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        for (name, module) in &self.modules {
            for path in &module.paths {
                if let Some(Target::Item(defining)) = self.resolve(name, path, 0) {
                    let to = &self.modules[&defining].file;
                    if *to != module.file {
                        edges.insert(Edge {
                            from: module.file.clone(),
                            to: to.clone(),
                            path: path.join("::"),
                        });
                    }
                }
            }
        }
        edges
    }

    /// Follows a path from a module through children and re-exports; nothing when it leads to another crate.
    fn resolve(&self, from: &Name, path: &[String], depth: usize) -> Option<Target> {
        let mut here = from.clone();
        let mut rest = path;
        while let Some((first, behind)) = rest.split_first() {
            match first.as_str() {
                "crate" => here.clear(),
                "self" => {}
                "super" => drop(here.pop()),
                _ => break,
            }
            rest = behind;
        }
        let is_local = rest.len() < path.len();
        for (at, segment) in rest.iter().enumerate() {
            let module = &self.modules[&here];
            let is_last = at + 1 == rest.len();
            if module.children.contains(segment) && !(is_last && module.items.contains(segment)) {
                here.push(segment.clone());
                continue;
            }
            if module.items.contains(segment) {
                return Some(Target::Item(here));
            }
            match self.imported(&here, segment, depth) {
                Some(Target::Module(module)) => here = module,
                Some(item) => return Some(item),
                // A name that comes from another crate, or that a macro makes.
                None if is_local && !module.imports.contains_key(segment) => {
                    return Some(Target::Item(here));
                }
                None => return None,
            }
        }
        Some(Target::Module(here))
    }

    fn imported(&self, here: &Name, segment: &String, depth: usize) -> Option<Target> {
        // A re-export may lead to another one, but no circle of them compiles.
        if depth > 8 {
            return None;
        }
        let module = &self.modules[here];
        if let Some(path) = module.imports.get(segment) {
            if path.first() == Some(segment) && !module.children.contains(segment) {
                return None;
            }
            return self.resolve(here, path, depth + 1);
        }
        module.globs.iter().find_map(|glob| {
            let Some(Target::Module(name)) = self.resolve(here, glob, depth + 1) else {
                return None;
            };
            let there = &self.modules[&name];
            let has = there.items.contains(segment)
                || there.children.contains(segment)
                || there.imports.contains_key(segment);
            has.then(|| self.resolve(&name, std::slice::from_ref(segment), depth + 1))
                .flatten()
        })
    }
}

impl Module {
    /// Collects the paths that are written in these tokens; `is_top` is false within a function, a type or an `impl`.
    fn read_paths(&mut self, tokens: &[TokenTree], is_top: bool) {
        let mut at = 0;
        let mut in_module = false;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(it) if it == "use" && !is_generic_use(tokens.get(at + 1)) => {
                    let end = (at..tokens.len())
                        .find(|it| punct(tokens.get(*it)) == Some(';'))
                        .unwrap_or(tokens.len());
                    self.read_use(&mut Vec::new(), &tokens[at + 1..end]);
                    at = end + 1;
                }
                TokenTree::Ident(it) if it == "mod" && is_top => {
                    in_module = true;
                    at += 1;
                }
                TokenTree::Ident(first) => {
                    let mut path = vec![first.to_string()];
                    at += 1;
                    while punct(tokens.get(at)) == Some(':')
                        && punct(tokens.get(at + 1)) == Some(':')
                    {
                        let Some(next) = ident(tokens.get(at + 2)) else {
                            break;
                        };
                        path.push(next);
                        at += 3;
                    }
                    if path.len() > 1 && !follows_path(tokens, at, path.len()) {
                        self.paths.push(path);
                    }
                }
                TokenTree::Group(group) => {
                    // The body of an inline module is a module of its own.
                    if !(in_module && group.delimiter() == Delimiter::Brace) {
                        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                        self.read_paths(&inner, false);
                    }
                    in_module = false;
                    at += 1;
                }
                TokenTree::Punct(it) => {
                    in_module &= it.as_char() != ';';
                    at += 1;
                }
                TokenTree::Literal(_) => at += 1,
            }
        }
    }

    fn read_use(&mut self, prefix: &mut Path, tokens: &[TokenTree]) {
        let mut path = prefix.clone();
        let mut alias = None;
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(it) if it == "as" => {
                    alias = ident(tokens.get(at + 1));
                    at += 1;
                }
                TokenTree::Ident(it) => path.push(it.to_string()),
                TokenTree::Punct(it) if it.as_char() == '*' => {
                    self.globs.push(path);
                    return;
                }
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    for part in inner.split(|it| punct(Some(it)) == Some(',')) {
                        if !part.is_empty() {
                            self.read_use(&mut path.clone(), part);
                        }
                    }
                    return;
                }
                _ => {}
            }
            at += 1;
        }
        if path.len() > 1 && path.last().is_some_and(|it| it == "self") {
            path.pop();
        }
        if let Some(name) = alias.or_else(|| path.last().cloned()) {
            self.paths.push(path.clone());
            self.imports.insert(name, path);
        }
    }
}

/// Whether the path that ends before `at` goes on from a type (`<T as Trait>::Item`), and is therefore no path of its own.
fn follows_path(tokens: &[TokenTree], at: usize, segments: usize) -> bool {
    let begin = at - (segments * 3 - 2);
    punct(begin.checked_sub(1).and_then(|it| tokens.get(it))) == Some(':')
        && punct(begin.checked_sub(2).and_then(|it| tokens.get(it))) == Some(':')
}

/// `use<'a>` in a type is no import.
fn is_generic_use(next: Option<&TokenTree>) -> bool {
    punct(next) == Some('<')
}

fn ident(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(it)) => Some(it.to_string()),
        _ => None,
    }
}

fn punct(token: Option<&TokenTree>) -> Option<char> {
    match token {
        Some(TokenTree::Punct(it)) => Some(it.as_char()),
        _ => None,
    }
}
