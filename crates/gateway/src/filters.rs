//! The `filters` of a list, in both forms that clients write.

use std::collections::BTreeMap;

use ds01_core::failure::{Failure, Kind};
use serde::Deserialize;
use serde_json::json;

/// Keys, each with the values of which one must fit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters(BTreeMap<String, Vec<String>>);

/// `{"label": ["a"]}`, and before version 1.22 of the API `{"label": {"a": true}}`, which
/// Docker's command line writes to this day.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    List(Vec<String>),
    Set(BTreeMap<String, bool>),
}

impl Filters {
    pub(crate) fn read(text: Option<&str>) -> Result<Self, Failure> {
        let text = text.filter(|text| !text.is_empty()).unwrap_or("{}");
        let read: BTreeMap<String, Values> = serde_json::from_str(text).map_err(|error| {
            Failure::new(Kind::Usage, format!("the filters are wrong: {error}"))
        })?;
        let values = |values| match values {
            Values::List(list) => list,
            Values::Set(set) => set
                .into_iter()
                .filter(|(_, on)| *on)
                .map(|(v, _)| v)
                .collect(),
        };
        Ok(Self(
            read.into_iter().map(|(key, v)| (key, values(v))).collect(),
        ))
    }

    /// Takes a key out.
    pub(crate) fn take(&mut self, key: &str) -> Vec<String> {
        self.0.remove(key).unwrap_or_default()
    }

    /// Takes the patterns of names out: each a part of the name, or with `^` and `$` its beginning
    /// and end, and several with `|` between.
    ///
    /// # Errors
    ///
    /// Docker takes any regular expression; this is what clients write. Another would fit nothing,
    /// or what it should not.
    pub(crate) fn take_names(&mut self) -> Result<Vec<String>, Failure> {
        let patterns = self.take("name");
        let odd = |pattern: &&String| pattern.contains(|c| "*+?()[]{}\\".contains(c));
        match patterns.iter().find(odd) {
            Some(odd) => {
                let message = format!("the filter name={odd} is not understood here");
                let hint = "use a part of the name, ^ and $ at its ends, and | between several";
                Err(Failure::new(Kind::Usage, message).with_hint(hint))
            }
            None => Ok(patterns),
        }
    }

    pub(crate) fn values_mut(&mut self, key: &str) -> impl Iterator<Item = &mut String> {
        self.0.get_mut(key).into_iter().flatten()
    }

    pub(crate) fn add(&mut self, key: &str, value: String) {
        self.0.entry(key.into()).or_default().push(value);
    }

    pub(crate) fn write(&self) -> String {
        json!(self.0).to_string()
    }
}

/// Whether a name fits a pattern of [`Filters::take_names`].
pub(crate) fn name_fits(pattern: &str, name: &str) -> bool {
    pattern.split('|').any(|one| one_fits(one, name))
}

fn one_fits(pattern: &str, name: &str) -> bool {
    let (name, pattern) = (name.trim_start_matches('/'), pattern);
    let (pattern, starts) = match pattern.strip_prefix('^') {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    let (pattern, ends) = match pattern.strip_suffix('$') {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    let pattern = pattern.trim_start_matches('/');
    match (starts, ends) {
        (true, true) => name == pattern,
        (true, false) => name.starts_with(pattern),
        (false, true) => name.ends_with(pattern),
        (false, false) => name.contains(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let set = Filters::read(Some(r#"{"label":{"a":true,"b":false}}"#)).unwrap();
        assert_eq!(set, Filters::read(Some(r#"{"label":["a"]}"#)).unwrap());
        assert_eq!(set.write(), r#"{"label":["a"]}"#);
        assert!(Filters::read(Some("[]")).is_err());
        assert_eq!(Filters::read(None).unwrap().write(), "{}");
    }

    #[test]
    fn a_name_fits_in_part_or_between_anchors() {
        for pattern in ["thesis", "^/thesis", "^thesis$", "hes", "sis$", "^no|^th"] {
            assert!(name_fits(pattern, "/thesis"), "{pattern}");
        }
        assert!(!name_fits("^hesis", "/thesis") && !name_fits("a|b", "/thesis"));
        let names = |text: &str| Filters::read(Some(text)).unwrap().take_names();
        assert_eq!(names(r#"{"name":["^a|b$"]}"#).unwrap(), ["^a|b$"]);
        assert!(names(r#"{"name":["web[12]"]}"#).is_err());
    }
}
