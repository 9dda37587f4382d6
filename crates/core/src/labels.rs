//! Labels as a list of containers tells them: many at once, of which few are looked at.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, MapAccess, Visitor},
};

/// The labels of a container, in the order in which they were told.
///
/// One text for all: a list of a thousand containers has some 25,000, of which a few are looked at,
/// and in a map of texts to make and drop them took longer than all else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// Keys and values, one after the other.
    text: String,
    /// Where in it each key ends, and its value.
    ends: Vec<(usize, usize)>,
}

impl Labels {
    /// All keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let begins = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        let labels = begins.zip(&self.ends);
        labels.map(|(begin, (key, end))| (&self.text[begin..*key], &self.text[*key..*end]))
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// The value of a key, the last that it was given.
    pub fn get(&self, key: &str) -> Option<&str> {
        let labels = self.iter().filter(|(known, _)| *known == key);
        labels.last().map(|(_, value)| value)
    }
}

impl<K: AsRef<str>, V: AsRef<str>> Extend<(K, V)> for Labels {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        for (key, value) in pairs {
            self.text += key.as_ref();
            let end = self.text.len();
            self.text += value.as_ref();
            self.ends.push((end, self.text.len()));
        }
    }
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut labels = Self::default();
        labels.extend(pairs);
        labels
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Pairs)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Labels, A::Error> {
        let Labels { mut text, mut ends } = Labels::default();
        while pairs.next_key_seed(AtEnd(&mut text))?.is_some() {
            let end = text.len();
            pairs.next_value_seed(AtEnd(&mut text))?;
            ends.push((end, text.len()));
        }
        Ok(Labels { text, ends })
    }
}

/// Reads a text to the end of another.
struct AtEnd<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for AtEnd<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for AtEnd<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_found_and_told_again() {
        let json = r#"{"a":"1","":"no key","é\n":"\"","none":"","b":"2"}"#;
        let labels: Labels = serde_json::from_str(json).unwrap();
        let all = [
            ("a", "1"),
            ("", "no key"),
            ("é\n", "\""),
            ("none", ""),
            ("b", "2"),
        ];
        assert!(labels.iter().eq(all));
        assert!(labels.keys().eq(all.map(|(key, _)| key)));
        for (key, value) in all {
            assert_eq!(labels.get(key), Some(value));
        }
        assert_eq!(labels.get("1"), None);
        let mut again = Labels::from_iter(all);
        assert_eq!(labels, again);
        again.extend([("a", "3")]);
        assert_eq!((again.get("a"), again.get("b")), (Some("3"), Some("2")));
        assert_eq!(serde_json::to_string(&labels).unwrap(), json);
        for odd in [r#"{"a":1}"#, r#"{"a":null}"#, r#"["a"]"#, r#""a""#] {
            assert!(serde_json::from_str::<Labels>(odd).is_err(), "{odd}");
        }
    }
}
