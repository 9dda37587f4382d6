//! Generations of GPUs, and versions of CUDA.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A version of CUDA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cuda {
    /// The 12 of 12.4.
    pub major: u32,
    /// The 4 of 12.4.
    pub minor: u32,
}

impl fmt::Display for Cuda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The compute capability of a GPU: 9.0 for H100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Capability(pub u32, pub u32);

/// The least capability that CUDA 13 knows. Source: CUDA 13.0's release notes, "Deprecated
/// Architectures".
pub(super) const LEAST_OF_13: Capability = Capability(7, 5);

/// What a host has to run images on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardware {
    /// The newest CUDA that its driver knows.
    pub cuda: Option<Cuda>,
    /// Those of its GPUs, each once; empty if it has none.
    pub capabilities: Vec<Capability>,
}

/// What an image is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arch {
    /// `CPU`
    Cpu,
    /// `CUDA`: up to Turing.
    Cuda,
    /// `CUDA_AMPERE`: up to A100, RTX 30 and A6000.
    Ampere,
    /// `CUDA_ADA`: up to RTX 40, L40 and H100.
    Ada,
    /// `CUDA_BLACKWELL`: up to RTX 50, RTX PRO and B200.
    Blackwell,
}

impl Arch {
    /// What a line has in its third column; `None` for AMD's GPUs, and what nobody knows.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name.trim_matches(['[', ']']) {
            "CPU" => Self::Cpu,
            "CUDA" => Self::Cuda,
            "CUDA_AMPERE" => Self::Ampere,
            "CUDA_ADA" => Self::Ada,
            "CUDA_BLACKWELL" => Self::Blackwell,
            _ => return None,
        })
    }

    /// The generation of a GPU. Source: CUDA C++ programming guide, "Compute Capabilities".
    pub(super) fn of(capability: Capability) -> Self {
        match capability {
            Capability(..8, _) => Self::Cuda,
            Capability(8, ..9) => Self::Ampere,
            Capability(..10, _) => Self::Ada,
            _ => Self::Blackwell,
        }
    }
}

/// The CUDA in a name.
pub(super) fn cuda_in(name: &str) -> Option<Cuda> {
    let name = name.to_ascii_lowercase();
    let starts = name.match_indices("cu").map(|(at, _)| at);
    let mut of_words =
        starts.filter(|at| !name[..*at].ends_with(|c: char| c.is_ascii_alphanumeric()));
    of_words.find_map(|at| {
        let rest = &name[at + 2..];
        let rest = rest
            .strip_prefix("da")
            .map_or(rest, |rest| rest.trim_start_matches([':', '-']));
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        let (major, minor) = match digits.len() {
            0 => return None,
            1 | 2 => {
                let minor = after.strip_prefix('.').unwrap_or_default();
                let end = minor
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(minor.len());
                (digits, &minor[..end])
            }
            _ => digits.split_at(2),
        };
        Some(Cuda {
            major: major.parse().ok()?,
            minor: if minor.is_empty() {
                0
            } else {
                minor.parse().ok()?
            },
        })
    })
}
