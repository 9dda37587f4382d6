//! JSON of which only parts are looked at: the rest is passed on as the text that it was, which
//! takes a third of the time.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value, value::RawValue};

/// Keys of an object, each with those of its value that are looked at: none is the whole of it.
pub(crate) type Parts = [(&'static str, &'static [&'static str])];

/// The keys of an object that are not looked at.
type Fields<'a> = BTreeMap<&'a str, &'a RawValue>;

/// An object.
pub(crate) struct Partly<'a> {
    /// What is looked at, and may be changed.
    pub(crate) value: Value,
    rest: Fields<'a>,
    /// The same of objects in `value`.
    within: BTreeMap<&'static str, Fields<'a>>,
}

impl<'a> Partly<'a> {
    /// Reads an object.
    ///
    /// # Errors
    ///
    /// If it is none, or one in it is none that parts of are looked at.
    pub(crate) fn read(text: &'a [u8], parts: &Parts) -> serde_json::Result<Self> {
        let mut rest: Fields = serde_json::from_slice(text)?;
        let mut value = Map::new();
        let mut within = BTreeMap::new();
        for (key, inner) in parts {
            let Some(raw) = rest.remove(key) else {
                continue;
            };
            let part = match inner {
                [] => serde_json::from_str(raw.get())?,
                keys => {
                    let mut fields: Fields = serde_json::from_str(raw.get())?;
                    let found = keys
                        .iter()
                        .filter_map(|key| Some((key.to_string(), fields.remove(key)?)));
                    let read = found.map(|(key, raw)| Ok((key, serde_json::from_str(raw.get())?)));
                    let read = read.collect::<serde_json::Result<_>>()?;
                    within.insert(*key, fields);
                    Value::Object(read)
                }
            };
            value.insert(key.to_string(), part);
        }
        Ok(Self {
            value: Value::Object(value),
            rest,
            within,
        })
    }
}

impl Serialize for Partly<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, raw) in &self.rest {
            map.serialize_entry(key, raw)?;
        }
        for (key, value) in self.value.as_object().into_iter().flatten() {
            match self.within.get(key.as_str()) {
                Some(rest) => map.serialize_entry(key, &Both { rest, value })?,
                None => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

/// What is looked at of an object, and the rest of it.
struct Both<'a> {
    rest: &'a Fields<'a>,
    value: &'a Value,
}

impl Serialize for Both<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, raw) in self.rest {
            map.serialize_entry(key, raw)?;
        }
        for (key, value) in self.value.as_object().into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PARTS: &Parts = &[
        ("Name", &[]),
        ("Config", &["Image", "Labels"]),
        ("New", &[]),
    ];

    #[test]
    fn only_what_is_changed_is_another() {
        let text =
            r#"{"Id":"a","Name":"/x","Sizes":[1e3, 2],"Config":{"Image":"i","Env":["A=\u00e9"]}}"#;
        let mut read = Partly::read(text.as_bytes(), PARTS).unwrap();
        let seen = json!({ "Name": "/x", "Config": { "Image": "i" } });
        assert_eq!(read.value, seen, "the rest is not looked at");
        let written = |read: &Partly| serde_json::to_string(read).unwrap();
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&written(&read)).unwrap(),
            value
        );
        read.value["Config"]["Image"] = json!("j");
        read.value["New"] = json!(1);
        let text = written(&read);
        assert!(text.contains(r#""Sizes":[1e3, 2]"#), "{text}");
        assert!(
            text.contains(r#""Config":{"Env":["A=\u00e9"],"Image":"j"}"#),
            "{text}"
        );
        assert!(text.contains(r#""New":1"#), "{text}");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["[]", "null", r#"{"Config":null}"#, r#"{"Name":"/x""#] {
            assert!(Partly::read(text.as_bytes(), PARTS).is_err(), "{text}");
        }
    }
}
