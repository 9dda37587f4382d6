//! The policy files of this host: read whole at each use, so that a change counts at once.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ds01_core::{
    failure::{Failure, Kind, UserError},
    policy::{Policy, PolicyFiles, Source, Warning},
};
use nix::errno::Errno;

const LIMITS: &str = "resource-limits.yaml";
const OVERRIDES: &str = "user-overrides.yaml";
const EXEMPTIONS: &str = "lifecycle-exemptions.yaml";
const GROUPS: &str = "groups";

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
    let limits = dir.join(LIMITS);
    let missing = |path: &Path| Unreadable {
        path: path.into(),
        source: Errno::ENOENT.into(),
    };
    let files = PolicyFiles {
        limits: source(&limits)?.ok_or_else(|| missing(&limits))?,
        overrides: source(&dir.join(OVERRIDES))?,
        exemptions: source(&dir.join(EXEMPTIONS))?,
        members: members(&dir.join(GROUPS))?,
    };
    Ok(Policy::parse(&files)?)
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
