//! The policy files of this host: read whole at each use, so that a change counts at once.
//!
//! A copy of what could be read last is kept with the state: when a change cannot be, what was said
//! before goes on.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ds01_core::{
    failure::{Failure, Kind, UserError},
    policy::{Policy, PolicyFiles, Source, Warning},
};
use nix::errno::Errno;

use crate::{config::Paths, ledger_file::write_new};

const LIMITS: &str = "resource-limits.yaml";
const OVERRIDES: &str = "user-overrides.yaml";
const EXEMPTIONS: &str = "lifecycle-exemptions.yaml";
const GROUPS: &str = "groups";

/// The policy that could be read last, in the state directory.
const KEPT: &str = "policy.json";

/// Why a policy file was not read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

impl UserError for Unreadable {
    fn kind(&self) -> Kind {
        Kind::Unreachable
    }

    fn hint(&self) -> Option<String> {
        Some("ask an admin: nothing is allocated without limits".into())
    }
}

/// Every file that counts in `dir`, there or not.
pub(crate) fn paths(dir: &Path) -> Vec<PathBuf> {
    let names = [LIMITS, OVERRIDES, EXEMPTIONS, GROUPS];
    let members = members(&dir.join(GROUPS)).unwrap_or_default();
    let members = members.into_iter().map(|(_, source)| source.path.into());
    names
        .map(|name| dir.join(name))
        .into_iter()
        .chain(members)
        .collect()
}

/// Reads and resolves the policy of this host from the files in `dir`.
///
/// # Errors
///
/// If a file cannot be read, or says what it cannot mean. Only `resource-limits.yaml` must exist.
pub fn policy(dir: &Path) -> Result<(Policy, Vec<Warning>), Failure> {
    Ok(Policy::parse(&files(dir)?)?)
}

fn files(dir: &Path) -> Result<PolicyFiles, Unreadable> {
    let limits = dir.join(LIMITS);
    let missing = |path: &Path| Unreadable {
        path: path.into(),
        source: Errno::ENOENT.into(),
    };
    Ok(PolicyFiles {
        limits: source(&limits)?.ok_or_else(|| missing(&limits))?,
        overrides: source(&dir.join(OVERRIDES))?,
        exemptions: source(&dir.join(EXEMPTIONS))?,
        members: members(&dir.join(GROUPS))?,
    })
}

/// The policy that is in force.
#[derive(Debug)]
pub struct InForce {
    /// The policy.
    pub policy: Policy,
    /// What in its files has no effect.
    pub warnings: Vec<Warning>,
    /// Why it is an earlier one, not that of the files as they are now.
    pub stale: Option<String>,
}

/// The policy of this host; while its files cannot be read, the one that was kept before.
///
/// # Errors
///
/// As [`policy`], where none was kept.
pub fn in_force(paths: &Paths) -> Result<InForce, Failure> {
    let failure = match policy(&paths.config) {
        Ok((policy, warnings)) => {
            let stale = None;
            return Ok(InForce {
                policy,
                warnings,
                stale,
            });
        }
        Err(failure) => failure,
    };
    let kept = fs::read(paths.state.join(KEPT)).ok();
    let kept = kept.and_then(|text| serde_json::from_slice::<PolicyFiles>(&text).ok());
    match kept.and_then(|files| Policy::parse(&files).ok()) {
        Some((policy, warnings)) => {
            let until = "what was said before holds until an admin mends it";
            let stale = Some(format!("{}; {until}", failure.one_line()));
            Ok(InForce {
                policy,
                warnings,
                stale,
            })
        }
        None => Err(failure),
    }
}

/// Refuses a host without limits, now or kept: a duty that finds nothing to do there would seem to do it.
///
/// # Errors
///
/// Status 8 if there are none.
pub(crate) fn exist(paths: &Paths) -> Result<(), Failure> {
    let limits = paths.config.join(LIMITS);
    if limits.exists() || paths.state.join(KEPT).exists() {
        return Ok(());
    }
    let message = format!("this host has no limits: there is no {}", limits.display());
    Err(Failure::new(Kind::Unreachable, message).with_hint(
        "write it, as man resource-limits.yaml shows; or name another ds01.toml with --config=<path>",
    ))
}

/// Keeps the files of a policy that can be read, for when they cannot be. Whether they are others
/// than those that were kept.
///
/// # Errors
///
/// If they cannot be read, say what they cannot mean, or cannot be kept.
pub(crate) fn keep(paths: &Paths) -> Result<bool, Failure> {
    let files = files(&paths.config)?;
    Policy::parse(&files)?;
    let path = paths.state.join(KEPT);
    let new = path.with_extension("json.new");
    let unkept = |error: io::Error| {
        let message = format!("cannot keep the policy in {}: {error}", path.display());
        Failure::new(Kind::Failed, message)
    };
    let text = serde_json::to_vec(&files).map_err(|error| unkept(error.into()))?;
    if fs::read(&path).is_ok_and(|kept| kept == text) {
        return Ok(false);
    }
    write_new(&new, &text)
        .and_then(|()| fs::rename(&new, &path))
        .map_err(unkept)?;
    Ok(true)
}

/// `groups/<group>.members`, in the order of their names.
fn members(dir: &Path) -> Result<Vec<(String, Source)>, Unreadable> {
    let unreadable = |source| Unreadable {
        path: dir.into(),
        source,
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let group = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".members"));
        if let Some(group) = group.map(str::to_string) {
            files.extend(source(&path)?.map(|source| (group, source)));
        }
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(files)
}

fn source(path: &Path) -> Result<Option<Source>, Unreadable> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Source {
            path: path.display().to_string(),
            text,
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Unreadable {
            path: path.into(),
            source,
        }),
    }
}
