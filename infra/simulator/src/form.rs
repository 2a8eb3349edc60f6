//! Form-encoded parameters as Stripe reads them: flat pairs whose names may carry brackets, `metadata[payment_id]=…`.

use std::collections::BTreeMap;

use crate::refusal::Refusal;

/// The parameters of one request, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Parses a body or a query string; anything but form-encoded UTF-8 is refused.
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, Refusal> {
        serde_urlencoded::from_bytes(raw)
            .map(Self)
            .map_err(|_| Refusal::invalid("The request body is not form-encoded."))
    }

    /// The value of `name`; an empty one counts as not given, as at Stripe.
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
        self.text(name).ok_or_else(|| {
            Refusal::parameter(
                "parameter_missing",
                name,
                format!("Missing required param: {name}."),
            )
        })
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

    /// The pairs of `name[key]=value`.
    pub(crate) fn map(&self, name: &str) -> BTreeMap<String, String> {
        let pairs = self.0.iter().filter_map(|(path, value)| {
            let key = path
                .strip_prefix(name)?
                .strip_prefix('[')?
                .strip_suffix(']')?;
            (!value.is_empty()).then(|| (key.to_owned(), value.clone()))
        });
        pairs.collect()
    }

    /// The values of `name[]=…` or `name[0]=…`.
    pub(crate) fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(move |(path, value)| {
            path.strip_prefix(name)?
                .starts_with('[')
                .then_some(value.as_str())
        })
    }

    /// Whether any parameter is called `name` or lies below it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(path, _)| root(path) == name)
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

    /// `metadata`: up to 50 pairs, names up to 40 and values up to 500 characters.
    pub(crate) fn metadata(&self) -> Result<BTreeMap<String, String>, Refusal> {
        let metadata = self.map("metadata");
        if metadata.len() > 50 {
            return Err(Refusal::invalid("You can specify up to 50 metadata keys.").at("metadata"));
        }
        for (name, value) in &metadata {
            if name.chars().count() > 40 || value.chars().count() > 500 {
                let message = "Metadata keys can have up to 40 characters, values up to 500.";
                return Err(Refusal::invalid(message).at(&format!("metadata[{name}]")));
            }
        }
        Ok(metadata)
    }

    /// Refuses the first parameter whose root is not in `known`, as Stripe does.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        for (path, _) in &self.0 {
            let name = root(path);
            if !known.contains(&name) {
                let message = format!("Received unknown parameter: {name}");
                return Err(Refusal::parameter("parameter_unknown", name, message));
            }
        }
        Ok(())
    }
}

fn root(path: &str) -> &str {
    path.split('[').next().unwrap_or(path)
}
