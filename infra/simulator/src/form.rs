//! Form-encoded parameters as Stripe reads them: flat pairs whose names may have brackets, `metadata[payment_id]=…`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::refusal::Refusal;

/// Stripe's limits of metadata.
const METADATA_KEYS: usize = 50;
const METADATA_KEY_LENGTH: usize = 40;
const METADATA_VALUE_LENGTH: usize = 500;
/// Stripe's limit of every text that has no smaller one.
const TEXT_LENGTH: usize = 5_000;

/// The parameters of one request, in their order.
#[derive(Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Parses a body or a query string; anything but form-encoded UTF-8 is refused.
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, Refusal> {
        serde_urlencoded::from_bytes(raw)
            .map(Self)
            .map_err(|_| Refusal::invalid("The request body is not form-encoded."))
    }

    /// Converts a JSON object into the same parameters: members of objects and arrays get brackets, null is empty.
    pub(crate) fn from_json(object: &Value) -> Self {
        let mut form = Self::default();
        form.flatten("", object);
        form
    }

    fn flatten(&mut self, path: &str, value: &Value) {
        let within = |key: &str| match path {
            "" => key.to_owned(),
            path => format!("{path}[{key}]"),
        };
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    self.flatten(&within(key), member);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.flatten(&within(&index.to_string()), item);
                }
            }
            Value::Null => self.0.push((path.to_owned(), String::new())),
            Value::String(text) => self.0.push((path.to_owned(), text.clone())),
            other => self.0.push((path.to_owned(), other.to_string())),
        }
    }

    /// The value of `name`; an empty one unsets the parameter, as at Stripe.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    /// The value of `name` as an owned string.
    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// The value of `name`, which must be given.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| Refusal::missing_param(name))
    }

    /// The value of `name` as an integer.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|_| Refusal::integer(name, format!("Invalid integer: {text}")))
    }

    /// The value of `name` as a boolean, false when not given.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Refusal::invalid(format!("Invalid boolean: {other}")).at(name)),
        }
    }

    /// The pairs of `name[key]=value`, empty values included.
    pub(crate) fn pairs<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(path, value)| {
            let key = path
                .strip_prefix(name)?
                .strip_prefix('[')?
                .strip_suffix(']')?;
            Some((key, value.as_str()))
        })
    }

    /// The values of `name[]=…` or `name[0]=…`.
    pub(crate) fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(move |(path, value)| {
            path.strip_prefix(name)?
                .starts_with('[')
                .then_some(value.as_str())
        })
    }

    /// Whether any parameter is `name` or a member of it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(path, _)| root(path) == name)
    }

    /// Whether `name` has a value.
    pub(crate) fn has_value(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// Whether `expand[]` names `path`; Stripe refuses a path that cannot be expanded.
    pub(crate) fn expands(&self, path: &str) -> Result<bool, Refusal> {
        let mut expanded = false;
        for asked in self.list("expand") {
            if asked != path {
                let message = format!("This property cannot be expanded ({asked}).");
                return Err(Refusal::invalid(message).at("expand"));
            }
            expanded = true;
        }
        Ok(expanded)
    }

    /// Applies `metadata` to `current`: an empty value removes its key, an empty `metadata` all of them. Stripe allows
    /// 50 pairs with names up to 40 characters, without square brackets, and values up to 500.
    pub(crate) fn metadata(
        &self,
        mut current: BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Refusal> {
        if self.0.iter().any(|(path, _)| path == "metadata") {
            current.clear();
        }
        for (key, value) in self.pairs("metadata") {
            let at = format!("metadata[{key}]");
            if key.chars().count() > METADATA_KEY_LENGTH {
                let message = format!(
                    "Metadata keys must be under {METADATA_KEY_LENGTH} characters in length. Update {key} and try again."
                );
                return Err(Refusal::invalid(message).at("metadata"));
            }
            check_length(&at, value, METADATA_VALUE_LENGTH)?;
            if value.is_empty() {
                current.remove(key);
            } else {
                current.insert(key.to_owned(), value.to_owned());
            }
        }
        if current.len() > METADATA_KEYS {
            let message = format!("Metadata can only have {METADATA_KEYS} keys.");
            return Err(Refusal::invalid(message).at("metadata"));
        }
        Ok(current)
    }

    /// Refuses the first parameter that `known` does not list, and a value that no text parameter of Stripe can have.
    ///
    /// In `known`, `name` is a single value, `name=` one that an empty value unsets, `name[member]` a member of an
    /// object, `name[]` a list, and `name[*]` a map.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        for (path, value) in &self.0 {
            let Some(pattern) = known.iter().find(|pattern| covers(pattern, path)) else {
                return Err(misplaced(path, known));
            };
            let is_map = pattern.ends_with("[*]");
            if is_map && !path.ends_with(']') && !value.is_empty() {
                return Err(Refusal::invalid("Invalid object").at(path));
            }
            let is_single = !is_map && !pattern.ends_with("[]") && !pattern.ends_with('=');
            if is_single && value.is_empty() {
                return Err(Refusal::parameter(
                    "parameter_invalid_empty",
                    path,
                    format!(
                        "You passed an empty string for '{path}'. We assume empty values are an attempt to unset a \
                         parameter; however '{path}' cannot be unset. You should remove '{path}' from your request \
                         or supply a non-empty value."
                    ),
                ));
            }
            if is_single && value.trim().is_empty() {
                let message = format!("You passed a blank string for '{path}'.");
                return Err(Refusal::parameter(
                    "parameter_invalid_string_blank",
                    path,
                    message,
                ));
            }
            // The members of a map have limits of their own.
            if !is_map {
                check_length(path, value, TEXT_LENGTH)?;
            }
        }
        Ok(())
    }
}

/// Refuses a text with more than `longest` characters.
pub(crate) fn check_length(param: &str, text: &str, longest: usize) -> Result<(), Refusal> {
    if text.chars().count() <= longest {
        return Ok(());
    }
    let start: String = text.chars().take(10).collect();
    let message = format!("Invalid string: {start}…; must be at most {longest} characters");
    Err(Refusal::invalid(message).at(param))
}

/// Whether a parameter of the form `pattern` can have the name `path`.
fn covers(pattern: &str, path: &str) -> bool {
    let inner = |name: &str| {
        path.strip_prefix(name)?
            .strip_prefix('[')?
            .strip_suffix(']')
    };
    if let Some(list) = pattern.strip_suffix("[]") {
        return inner(list).is_some_and(|index| index.bytes().all(|it| it.is_ascii_digit()));
    }
    if let Some(map) = pattern.strip_suffix("[*]") {
        let is_key = |key: &str| !key.is_empty() && !key.contains(['[', ']']);
        return path == map || inner(map).is_some_and(is_key);
    }
    pattern.strip_suffix('=').unwrap_or(pattern) == path
}

/// The refusal of a parameter that is unknown, or known in another shape.
fn misplaced(path: &str, known: &[&str]) -> Refusal {
    let name = root(path);
    let shapes: Vec<_> = known
        .iter()
        .filter(|pattern| bare(pattern) == name)
        .collect();
    let Some(shape) = shapes.first() else {
        let message = format!("Received unknown parameter: {name}");
        return Refusal::parameter("parameter_unknown", name, message);
    };
    if shape.ends_with("[]") {
        return Refusal::invalid("Invalid array").at(name);
    }
    if shape.ends_with("[*]") || path == name {
        return Refusal::invalid("Invalid object").at(name);
    }
    if shapes.iter().all(|shape| !shape.contains('[')) {
        return Refusal::invalid("Invalid string: an object was given").at(name);
    }
    let message = format!("Received unknown parameter: {path}");
    Refusal::parameter("parameter_unknown", path, message)
}

fn root(path: &str) -> &str {
    path.split('[').next().unwrap_or(path)
}

fn bare(pattern: &str) -> &str {
    root(pattern.strip_suffix('=').unwrap_or(pattern))
}
