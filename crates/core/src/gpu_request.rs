//! What somebody asks for in GPUs: how many, and of which type.

use std::{fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Unexpected, Visitor},
};

use crate::device::Slot;

/// How a whole GPU is called where a type is asked for.
const FULL: &str = "full";

/// A number of GPUs or MIG devices of one type: `2`, `full`, `1g.10gb:2`.
///
/// In JSON a number where any type will do, else the text.
///
/// Source: Slurm's `--gpus=[type:]number`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuRequest {
    /// How many devices.
    pub count: u32,
    /// Of which type each is to be.
    pub gpu_type: GpuType,
}

/// Which devices will do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum GpuType {
    /// Whatever is free and fits: see [`crate::allocate::allocate`].
    #[default]
    Any,
    /// Whole GPUs.
    Full,
    /// MIG devices of this profile, such as `2g.10gb`.
    Mig(String),
}

impl GpuType {
    /// Whether the device of this `slot` will do, with its MIG `profile` as far as that is known.
    pub fn includes(&self, slot: Slot, profile: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::Full => slot.mig.is_none(),
            Self::Mig(asked) => profile.is_some_and(|profile| profile == asked),
        }
    }
}

impl fmt::Display for GpuType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Full => FULL,
            Self::Mig(profile) => profile,
        })
    }
}

impl GpuRequest {
    /// None.
    pub const NONE: Self = Self::any(0);

    /// So many, of whatever type.
    pub const fn any(count: u32) -> Self {
        let gpu_type = GpuType::Any;
        Self { count, gpu_type }
    }

    /// As many of the same type.
    pub fn with_count(&self, count: u32) -> Self {
        let gpu_type = self.gpu_type.clone();
        Self { count, gpu_type }
    }
}

impl Default for GpuRequest {
    /// One, as where nothing is said.
    fn default() -> Self {
        Self::any(1)
    }
}

impl fmt::Display for GpuRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, gpu_type } = self;
        match gpu_type {
            GpuType::Any => write!(f, "{count}"),
            _ => write!(f, "{gpu_type}:{count}"),
        }
    }
}

/// What a request is.
const EXPECTED: &str = "a number of GPUs, or their type and number: 2, full:1 for a whole GPU, 1g.10gb:1 for a MIG device";

/// A text that asks for no GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {EXPECTED}")]
pub struct NotGpus;

impl FromStr for GpuRequest {
    type Err = NotGpus;

    /// Reads `2`, `full`, `full:2`, `1g.10gb`, `1g.10gb:2`; the type in any case.
    fn from_str(text: &str) -> Result<Self, NotGpus> {
        let number = |text: &str| text.parse().map_err(|_| NotGpus);
        if let Ok(count) = text.parse() {
            return Ok(Self::any(count));
        }
        let (gpu_type, count) = match text.split_once(':') {
            Some((gpu_type, count)) => (gpu_type, number(count)?),
            None => (text, 1),
        };
        let gpu_type = gpu_type.to_ascii_lowercase();
        let gpu_type = match gpu_type.as_str() {
            FULL => GpuType::Full,
            profile if is_profile(profile) => GpuType::Mig(gpu_type),
            _ => return Err(NotGpus),
        };
        Ok(Self { count, gpu_type })
    }
}

/// Whether it reads as NVIDIA's name of a MIG profile: slices of compute, memory, and perhaps more, as
/// in `1g.5gb`, `1c.3g.20gb` or `1g.10gb+me`.
fn is_profile(text: &str) -> bool {
    let compute = text.split('.').next().unwrap_or_default();
    let slices = compute.strip_suffix('g').or(compute.strip_suffix('c'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    slices.is_some_and(is_number)
        && text.contains("gb")
        && text.len() <= 32
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte))
}

impl Serialize for GpuRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.gpu_type {
            GpuType::Any => serializer.serialize_u32(self.count),
            _ => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for GpuRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// A request in JSON and TOML.
struct Written;

impl Visitor<'_> for Written {
    type Value = GpuRequest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_i64<E: Error>(self, count: i64) -> Result<GpuRequest, E> {
        let odd = |_| E::invalid_value(Unexpected::Signed(count), &self);
        u32::try_from(count).map(GpuRequest::any).map_err(odd)
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<GpuRequest, E> {
        let odd = |_| E::invalid_value(Unexpected::Unsigned(count), &self);
        u32::try_from(count).map(GpuRequest::any).map_err(odd)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<GpuRequest, E> {
        let odd = |_| E::invalid_value(Unexpected::Str(text), &self);
        text.parse().map_err(odd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_and_a_number_are_read_as_slurm_reads_them() {
        let mig = |profile: &str, count| GpuRequest {
            count,
            gpu_type: GpuType::Mig(profile.into()),
        };
        let full = |count| GpuRequest {
            count,
            gpu_type: GpuType::Full,
        };
        for (text, expected, printed) in [
            ("0", GpuRequest::any(0), "0"),
            ("2", GpuRequest::any(2), "2"),
            ("full", full(1), "full:1"),
            ("Full:2", full(2), "full:2"),
            ("1g.10gb", mig("1g.10gb", 1), "1g.10gb:1"),
            ("3G.40GB:2", mig("3g.40gb", 2), "3g.40gb:2"),
            ("1g.10gb+me", mig("1g.10gb+me", 1), "1g.10gb+me:1"),
            ("1c.3g.20gb", mig("1c.3g.20gb", 1), "1c.3g.20gb:1"),
        ] {
            let read: GpuRequest = text.parse().unwrap();
            assert_eq!(read, expected, "{text}");
            assert_eq!(read.to_string(), printed);
            let json = serde_json::to_string(&read).unwrap();
            assert_eq!(serde_json::from_str::<GpuRequest>(&json).unwrap(), read);
        }
        for text in [
            "", "-1", "a100", "full:", "full:-1", "full:x", ":1", "1g", "g.5gb", "1g.5gb,",
        ] {
            assert_eq!(text.parse::<GpuRequest>(), Err(NotGpus), "{text}");
        }
    }

    #[test]
    fn a_number_stays_a_number_and_what_is_neither_says_what_would_be() {
        let json = |request| serde_json::to_string(&request).unwrap();
        assert_eq!(json(GpuRequest::any(3)), "3");
        assert_eq!(json("full".parse::<GpuRequest>().unwrap()), r#""full:1""#);
        for (text, odd) in [
            ("-1", "integer `-1`"),
            ("4294967296", "integer `4294967296`"),
            (r#""many""#, r#"string "many""#),
            ("true", "boolean `true`"),
        ] {
            let error = serde_json::from_str::<GpuRequest>(text)
                .unwrap_err()
                .to_string();
            assert!(error.contains(odd) && error.contains(EXPECTED), "{error}");
        }
    }
}
