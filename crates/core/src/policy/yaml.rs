//! A YAML file as a tree, and the place of each part of it for messages.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use super::{PolicyError, Source, Warning, lines};

/// Any YAML. Mappings keep their order, and for a moment keys that are written twice.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(Map),
}

pub(super) type Map = Vec<(String, Node)>;

impl Node {
    /// Reads a file that holds one mapping, or nothing but comments (`None`).
    pub(super) fn parse(source: &Source) -> Result<Option<Map>, PolicyError> {
        let at = At::top(source);
        let mut node: Self = serde_yaml::from_str(&source.text).map_err(|error| {
            let message = error.to_string();
            // The parser also reports line 1 where it does not know the line.
            let line = error.location().map(|place| place.line());
            let line = line.filter(|_| message.contains(" at line "));
            PolicyError {
                path: source.path.clone(),
                line,
                message: one_line(&message),
            }
        })?;
        node.settle(at)?;
        match node {
            Self::Null => Ok(None),
            Self::Map(map) => Ok(Some(map)),
            other => Err(at.error(format!("must be keys and values, not {other}"))),
        }
    }

    /// Refuses keys written twice, and puts what `<<` names into its mapping.
    fn settle(&mut self, at: At) -> Result<(), PolicyError> {
        match self {
            Self::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    item.settle(at.child(&index.to_string()))?;
                }
            }
            Self::Map(map) => {
                for index in 0..map.len() {
                    let (before, rest) = map.split_at_mut(index);
                    let [(key, node), ..] = rest else { break };
                    if before.iter().any(|(earlier, _)| earlier == key) {
                        return Err(at.child(key).written_twice());
                    }
                    node.settle(at.child(key))?;
                }
                if let Some(merge) = map.iter().position(|(key, _)| key == "<<") {
                    let sources = match map.remove(merge).1 {
                        Self::List(items) => items,
                        one => vec![one],
                    };
                    for source in sources {
                        let Self::Map(source) = source else {
                            return Err(at
                                .child("<<")
                                .error(format!("must be a mapping, not {source}")));
                        };
                        for (key, node) in source {
                            if !map.iter().any(|(own, _)| *own == key) {
                                map.push((key, node));
                            }
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// As a message shows what was found: short, on one line.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(text) if text.chars().count() > 40 => {
                write!(f, "{:?}...", text.chars().take(40).collect::<String>())
            }
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a mapping"),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNode)
    }
}

struct AnyNode;

impl<'de> Visitor<'de> for AnyNode {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML without tags")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    /// An empty file.
    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Map::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Node::Map(map))
    }
}

/// A place in a file: the keys that lead to it.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    source: &'a Source,
    parent: Option<&'a At<'a>>,
    key: &'a str,
}

impl<'a> At<'a> {
    pub(super) fn top(source: &'a Source) -> Self {
        Self {
            source,
            parent: None,
            key: "",
        }
    }

    pub(super) fn child(&'a self, key: &'a str) -> At<'a> {
        At {
            source: self.source,
            parent: Some(self),
            key,
        }
    }

    pub(super) fn error(self, what: impl fmt::Display) -> PolicyError {
        let Warning {
            path,
            line,
            message,
        } = self.warning(what);
        PolicyError {
            path,
            line,
            message,
        }
    }

    pub(super) fn warning(self, what: impl fmt::Display) -> Warning {
        let keys = self.keys();
        // Found more than once, any of them may be the wrong one.
        let line = match lines::of(&self.source.text, &keys)[..] {
            [line] => Some(line),
            _ => None,
        };
        let message = if keys.is_empty() {
            what.to_string()
        } else {
            format!("{}: {what}", keys.join("."))
        };
        Warning {
            path: self.source.path.clone(),
            line,
            message: one_line(&message),
        }
    }

    fn written_twice(self) -> PolicyError {
        let line = match lines::of(&self.source.text, &self.keys())[..] {
            [_, second] => Some(second),
            _ => None,
        };
        PolicyError {
            line,
            ..self.error("written twice")
        }
    }

    /// The keys from the top to here.
    fn keys(self) -> Vec<&'a str> {
        let mut keys = Vec::new();
        let mut at = self;
        while let Some(parent) = at.parent {
            keys.push(at.key);
            at = *parent;
        }
        keys.reverse();
        keys
    }

    /// The entries of a mapping. A section that is null is an error: whether it means "nothing
    /// set" or "no limits" is anyone's guess.
    pub(super) fn map(self, node: &Node) -> Result<&Map, PolicyError> {
        match node {
            Node::Map(map) => Ok(map),
            other => Err(self.error(format!(
                "must be a mapping (write {{}} for an empty one), not {other}"
            ))),
        }
    }
}

/// Keys and the parser's messages may hold anything, a terminal's control codes among it.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, "?")
}
