//! Engine names are stored as the text that Docker knows.

use std::fmt;

use serde::{
    Deserializer, Serializer,
    de::{Error, Visitor},
};

use crate::name::EngineName;

struct Name;

impl Visitor<'_> for Name {
    type Value = EngineName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a container's name in the engine")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<EngineName, E> {
        text.parse().map_err(E::custom)
    }
}

pub(super) fn serialize<S: Serializer>(name: &EngineName, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(name)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<EngineName, D::Error> {
    from.deserialize_str(Name)
}
