//! JSON read so that two readers cannot disagree about it.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::refused::{Refused, shown};

/// Reads the body of a request.
///
/// Keys count in their exact case. Its size is for the caller to bound, its depth is bounded here.
///
/// # Errors
///
/// [`Refused::Json`] if it is no object, has a key twice, an unknown key, a NUL in any text, or
/// anything after it.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    let Strict(value) = serde_json::from_slice(body).map_err(|error| unread(&error))?;
    if !value.is_object() {
        return Err(Refused::Json("not an object".into()));
    }
    serde_json::from_value(value).map_err(|error| unread(&error))
}

/// The body for the engine.
///
/// # Errors
///
/// None for the bodies of this module: their keys are all text.
pub fn write<T: Serialize>(body: &T) -> Result<Vec<u8>, Refused> {
    serde_json::to_vec(body).map_err(|error| unread(&error))
}

fn unread(error: &serde_json::Error) -> Refused {
    let text = error.to_string();
    // Every field that exists, up to seventy of them.
    let start = text.split(", expected one of").next().unwrap_or_default();
    Refused::Json(shown(start))
}

/// Any JSON without a duplicate key and without NUL.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

/// NUL ends a text in C, and the engine's helpers are in C.
fn without_nul<E: Error>(text: String) -> Result<String, E> {
    match text.contains('\0') {
        true => Err(E::custom("NUL in a text")),
        false => Ok(text),
    }
}

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        without_nul(text.into()).map(Value::String)
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        without_nul(text).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let key = without_nul(key)?;
            let Strict(value) = entries.next_value()?;
            if all.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
            }
            all.insert(key, value);
        }
        Ok(Value::Object(all))
    }
}
