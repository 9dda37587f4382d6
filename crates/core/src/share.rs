//! Part of a GPU's compute, counted exactly.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, Sub},
};

use serde::{Deserialize, Serialize};

/// A GPU's compute in 28ths, so that sevenths (A100, H100) and quarters (A30) are whole numbers.
///
/// Files and metrics know it as GPU-equivalents, "gpueq".
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Share(u32);

/// 28 is the least number that both 7 and 4 divide.
const PARTS: u32 = 28;

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// A whole GPU.
    pub const WHOLE: Self = Self(PARTS);

    /// Compute of a MIG profile, as a share of its GPU.
    ///
    /// `slices` is the number before the `g` in the profile (3 for `3g.40gb`);
    /// `per_gpu` is how many the GPU has: 7 on A100 and H100, 4 on A30. Memory
    /// is not counted: `3g.40gb` has 3/7 of the compute, 4/8 of the memory.
    ///
    /// Returns `None` when `per_gpu` does not divide 28, or is less than
    /// `slices`: a GPU this build does not know.
    ///
    /// ```
    /// # use ds01_core::share::Share;
    /// assert_eq!(Share::of_mig(3, 7).unwrap().to_string(), "0.43");
    /// assert_eq!((0..7).map(|_| Share::of_mig(1, 7).unwrap()).sum::<Share>(), Share::WHOLE);
    /// ```
    ///
    /// Source: NVIDIA's MIG User Guide, "Supported MIG Profiles".
    pub fn of_mig(slices: u32, per_gpu: u32) -> Option<Self> {
        (slices >= 1 && slices <= per_gpu && PARTS.is_multiple_of(per_gpu))
            .then(|| Self(slices * (PARTS / per_gpu)))
    }

    /// The share nearest to a decimal number of GPUs, as quotas are written in YAML.
    ///
    /// Nearest, so that a quota copied from what we print (`0.43`) is the share it came from.
    /// `None` if it is negative, not a number, or over a million GPUs.
    ///
    /// ```
    /// # use ds01_core::share::Share;
    /// assert_eq!(Share::from_gpus(0.43), Share::of_mig(3, 7));
    /// assert_eq!(Share::from_gpus(-1.0), None);
    /// ```
    pub fn from_gpus(gpus: f64) -> Option<Self> {
        (0.0..=1e6)
            .contains(&gpus)
            .then(|| Self((gpus * f64::from(PARTS)).round() as u32))
    }

    /// The same in 28ths of a GPU.
    pub(crate) fn parts(self) -> u32 {
        self.0
    }

    /// The same as a decimal number of GPUs.
    pub fn as_gpus(self) -> f64 {
        f64::from(self.0) / f64::from(PARTS)
    }
}

impl Add for Share {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Share {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Share {
    fn sum<I: Iterator<Item = Self>>(shares: I) -> Self {
        shares.fold(Self::NONE, Add::add)
    }
}

/// Whole numbers plainly, others with two decimals.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(PARTS) {
            write!(f, "{}", self.0 / PARTS)
        } else {
            write!(f, "{:.2}", self.as_gpus())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back_as_the_same_share() {
        for (slices, per_gpu) in [
            (1, 7),
            (2, 7),
            (3, 7),
            (4, 7),
            (7, 7),
            (1, 4),
            (2, 4),
            (4, 4),
        ] {
            let share = Share::of_mig(slices, per_gpu).unwrap();
            assert_eq!(
                Share::from_gpus(share.to_string().parse().unwrap()),
                Some(share)
            );
        }
    }

    #[test]
    fn a_gpu_of_another_make_has_no_share() {
        for (slices, per_gpu) in [(0, 7), (5, 4), (1, 0), (1, 3), (1, 5)] {
            assert_eq!(
                Share::of_mig(slices, per_gpu),
                None,
                "{slices} of {per_gpu}"
            );
        }
    }

    #[test]
    fn numbers_that_are_no_quota_are_refused() {
        for gpus in [f64::NAN, f64::INFINITY, -0.1, 1e7] {
            assert_eq!(Share::from_gpus(gpus), None, "{gpus}");
        }
    }
}
