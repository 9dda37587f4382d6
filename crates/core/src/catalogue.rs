//! `ml_images.repo`: which image has which framework, a line each, as AIME's commands read it too:
//! `Pytorch, 2.8.0, CUDA_ADA, image`.
//!
//! The third column is the newest generation of GPUs that an image was made for. It works on these
//! and older ones, not on newer ones, if the driver knows its CUDA. `CPU` is ours: no GPU is used.
//! Source: the README of aime-mlc, "Create a machine learning container".

mod arch;
mod wish;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::failure::{Kind, UserError};
pub use arch::{Arch, Capability, Cuda, Hardware};
use arch::{LEAST_OF_13, cuda_in};
pub use wish::{NoWish, Wish};

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// As it is written: `Pytorch`.
    pub framework: String,
    /// `2.8.0`, `2.13.1-aime`.
    pub version: String,
    /// What it is made for.
    pub arch: Arch,
    /// The image.
    pub image: String,
}

impl Entry {
    /// As AIME's commands write it: `Pytorch-2.8.0`.
    fn label(&self) -> String {
        format!("{}-{}", self.framework, self.version)
    }

    /// The CUDA that it brings, as far as its name or version tells: `cuda12.4`, `cu124`, `cuda110`.
    fn cuda(&self) -> Option<Cuda> {
        cuda_in(&self.image).or_else(|| cuda_in(&self.version))
    }

    /// Why it would not work on the GPUs of `hardware`, if that is known.
    fn unfit(&self, hardware: &Hardware) -> Option<Unfit> {
        let (of_image, of_driver) = (self.cuda(), hardware.cuda);
        if let (Some(image), Some(driver)) = (of_image, of_driver)
            && image > driver
        {
            return Some(Unfit::Driver { image, driver });
        }
        let gpus = hardware.capabilities.iter();
        let old = |gpu: &&Capability| {
            of_image.is_some_and(|cuda| cuda.major >= 13 && **gpu < LEAST_OF_13)
        };
        let new = |gpu: &&Capability| Arch::of(**gpu) > self.arch;
        gpus.clone()
            .find(new)
            .map(|gpu| Unfit::New(*gpu))
            .or_else(|| gpus.clone().find(old).map(|gpu| Unfit::Old(*gpu)))
    }
}

/// Why an image does not fit a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unfit {
    Driver { image: Cuda, driver: Cuda },
    New(Capability),
    Old(Capability),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver { image, driver } => {
                write!(
                    f,
                    "it needs CUDA {image}, and the driver knows {driver} at most"
                )
            }
            Self::New(gpu) => write!(
                f,
                "it is made for GPUs older than this host's, of compute capability {}.{}",
                gpu.0, gpu.1
            ),
            Self::Old(gpu) => write!(
                f,
                "its CUDA does not know GPUs as old as this host's, of compute capability {}.{}",
                gpu.0, gpu.1
            ),
        }
    }
}

/// The lines of a catalogue's text. One that is none is passed over, as AIME's own commands do.
pub fn read(text: &str) -> Vec<Entry> {
    let entry = |line: &str| {
        let fields: Vec<_> = line.split(',').map(str::trim).collect();
        let [framework, version, arch, image] = fields[..] else {
            return None;
        };
        let arch = Arch::named(arch)?;
        let whole = [framework, version, image]
            .iter()
            .all(|field| !field.is_empty());
        (whole && !framework.starts_with('#')).then(|| Entry {
            framework: framework.into(),
            version: version.into(),
            arch,
            image: image.into(),
        })
    };
    text.trim_start_matches('\u{feff}')
        .lines()
        .filter_map(entry)
        .collect()
}

/// Why there is no image for a wish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoImage {
    /// There is no line of the framework.
    #[error("this host's catalogue of images has no {framework}")]
    Framework {
        /// What was asked for.
        framework: String,
        /// What it has.
        known: Vec<String>,
    },
    /// None has the version.
    #[error("this host's catalogue of images has no {wish}")]
    Version {
        /// What was asked for.
        wish: Wish,
        /// The versions that it has.
        known: Vec<String>,
    },
    /// None would work here.
    #[error("no image of {wish} works here: of the newest, {image}, {why}")]
    Hardware {
        /// What was asked for.
        wish: Wish,
        /// The newest that has it.
        image: String,
        /// What keeps that from working.
        why: String,
        /// The newest version of the framework that would.
        works: Option<Box<str>>,
    },
}

impl UserError for NoImage {
    fn kind(&self) -> Kind {
        Kind::NotFound
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Framework { known, .. } | Self::Version { known, .. } if !known.is_empty() => {
                format!(
                    "it has {}; or name an image with --image=<image>",
                    known.join(", ")
                )
            }
            Self::Framework { .. } | Self::Version { .. } => {
                "name an image with --image=<image>, of those that image-list --all shows".into()
            }
            Self::Hardware {
                wish,
                works: Some(version),
                ..
            } => format!(
                "ask for version {version}, the newest of {} that works here",
                wish.framework
            ),
            Self::Hardware { works: None, .. } => {
                "no other version works either; name an image with --image=<image>, if you know \
                 better"
                    .into()
            }
        })
    }
}

/// The newest image for a wish that works on a host. Where versions are the same, the one made for
/// the GPUs that the host has goes before those for newer ones. Without a GPU it is the one for
/// none; where there is no such, any, all of which work without.
///
/// # Errors
///
/// [`NoImage`].
pub fn choose<'a>(
    entries: &'a [Entry],
    wish: &Wish,
    hardware: &Hardware,
) -> Result<&'a Entry, NoImage> {
    let of_framework = of_framework(entries, &wish.framework);
    if of_framework.is_empty() {
        return Err(NoImage::Framework {
            framework: wish.framework.clone(),
            known: frameworks(entries),
        });
    }
    let no_gpu = wish.cpu || hardware.capabilities.is_empty();
    let has_variant = of_framework.iter().any(|entry| entry.arch == Arch::Cpu);
    let meant = |entry: &&&Entry| match no_gpu {
        true => (entry.arch == Arch::Cpu) == (has_variant || wish.cpu),
        false => entry.arch != Arch::Cpu,
    };
    let meant: Vec<_> = of_framework.iter().filter(meant).copied().collect();
    let has_version = |entry: &&&Entry| {
        wish.version
            .as_ref()
            .is_none_or(|wanted| begins(&entry.version, wanted))
    };
    let found: Vec<_> = meant.iter().filter(has_version).copied().collect();
    let known = || {
        let mut known: Vec<_> = meant.iter().map(|entry| entry.version.clone()).collect();
        known.dedup();
        known
    };
    let newest = newest(&found).ok_or_else(|| NoImage::Version {
        wish: wish.clone(),
        known: known(),
    })?;
    if no_gpu {
        return Ok(newest);
    }
    let fitting = |among: &[&'a Entry]| {
        let fits = among.iter().filter(|entry| entry.unfit(hardware).is_none());
        self::newest(&fits.copied().collect::<Vec<_>>())
    };
    fitting(&found).ok_or_else(|| NoImage::Hardware {
        wish: wish.clone(),
        image: newest.image.clone(),
        why: newest
            .unfit(hardware)
            .map(|why| why.to_string())
            .unwrap_or_default(),
        works: fitting(&meant).map(|entry| entry.version.as_str().into()),
    })
}

/// What an image is made for by a catalogue that has it, as AIME's commands write it:
/// `Pytorch-2.8.0`.
pub fn framework_of(entries: &[Entry], image: &str) -> Option<String> {
    let image = image.trim_end_matches(":latest");
    let is = |entry: &&Entry| entry.image.trim_end_matches(":latest") == image;
    entries.iter().find(is).map(Entry::label)
}

/// The frameworks of a catalogue, in order, each once.
pub fn frameworks(entries: &[Entry]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in entries
        .iter()
        .map(|entry| entry.framework.to_ascii_lowercase())
    {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

fn of_framework<'a>(entries: &'a [Entry], framework: &str) -> Vec<&'a Entry> {
    let of = entries
        .iter()
        .filter(|entry| entry.framework.eq_ignore_ascii_case(framework));
    of.collect()
}

/// The newest version; of those of one, the one for the oldest GPUs; of those, the first.
fn newest<'a>(entries: &[&'a Entry]) -> Option<&'a Entry> {
    let newer = |best: &'a Entry, next: &'a Entry| {
        let rank = |entry: &Entry| (numbers(&entry.version), std::cmp::Reverse(entry.arch));
        match rank(next) > rank(best) {
            true => next,
            false => best,
        }
    };
    entries.iter().copied().reduce(newer)
}

/// Whether `version` is `wanted` or a more exact one: 2.8.0 and 2.8.1-aime are 2.8, 2.80 is not.
fn begins(version: &str, wanted: &str) -> bool {
    version == wanted
        || version
            .strip_prefix(wanted)
            .is_some_and(|rest| rest.starts_with(['.', '-', '+']))
}

/// `2.13.1-aime` as 2, 13, 1.
fn numbers(version: &str) -> Vec<u64> {
    let number = |part: &str| {
        let end = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        part[..end].parse().unwrap_or(0)
    };
    version.split('.').map(number).collect()
}

#[cfg(test)]
mod tests;
