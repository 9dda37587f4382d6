//! The state directory.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use super::{Finding, quoted};
use crate::{
    ledger_file::{LOCK, METADATA},
    tell::login::DIR as NOTICES,
    users,
};

const CHECK: &str = "state";

/// A file in the state directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    uid: u32,
    mode: u32,
    names: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
    Link,
    Other,
}

/// `group` may use the state, if the configuration says so.
pub(super) fn check(state: &Path, group: Option<&str>) -> Vec<Finding> {
    let gid = group.map(users::gid_of).transpose();
    let gid = match gid {
        Ok(gid) => gid,
        Err(error) => return vec![Finding::of_failure(CHECK, error.into())],
    };
    match look(state, gid) {
        Ok(findings) => findings,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let what = format!("there is no {}", state.display());
            vec![
                Finding::warning(CHECK, what)
                    .because("DS01 has not been used here yet")
                    .mend("run gpu-status once as root, which makes it"),
            ]
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let what = format!("cannot look into {}: {error}", state.display());
            vec![Finding::unknown(CHECK, what).mend("run ds01-doctor as root")]
        }
        Err(error) => {
            let what = format!("cannot look into {}: {error}", state.display());
            vec![Finding::wrong(CHECK, what)]
        }
    }
}

fn look(state: &Path, gid: Option<u32>) -> io::Result<Vec<Finding>> {
    let known = fs::metadata(state)?;
    let mut findings: Vec<_> = directory(state, known.mode() & 0o7777, known.gid(), gid)
        .into_iter()
        .collect();
    let metadata = state.join(METADATA);
    let records = match entries(&metadata) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let what = format!("there is no {}", metadata.display());
            let why = "no container can be made, and whose they are cannot be proved";
            let fix = format!("mkdir -m 700 {}", quoted(&metadata));
            findings.push(Finding::wrong(CHECK, what).because(why).mend(fix));
            Vec::new()
        }
        records => records?,
    };
    let ours = [metadata.clone(), state.join(NOTICES)];
    for (path, entry) in entries(state)?.into_iter().chain(records) {
        findings.extend(fault(&path, entry, gid.is_some(), ours.contains(&path)));
        findings.extend(left_over(&path));
    }
    let lock = state.join(LOCK);
    if !lock.exists() {
        let what = format!("there is no {}", lock.display());
        let why = "somebody took it away while others may have held it";
        let fix = "the next command makes it anew; find out who did it";
        findings.push(Finding::warning(CHECK, what).because(why).mend(fix));
    }
    if findings.is_empty() {
        let what = format!("{} is as it was made", state.display());
        findings.push(Finding::ok(CHECK, what));
    }
    Ok(findings)
}

fn entries(dir: &Path) -> io::Result<Vec<(PathBuf, Entry)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let known = match fs::symlink_metadata(&path) {
            // Files come and go while we look.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            known => known?,
        };
        let kind = match known.file_type() {
            kind if kind.is_symlink() => Kind::Link,
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_fifo() || kind.is_socket() || !kind.is_file() => Kind::Other,
            _ => Kind::File,
        };
        let entry = Entry {
            kind,
            uid: known.uid(),
            mode: known.mode() & 0o7777,
            names: known.nlink(),
        };
        all.push((path, entry));
    }
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(all)
}

/// What is wrong with the directory itself. That only root can replace it is another check.
fn directory(state: &Path, mode: u32, gid: u32, group: Option<u32>) -> Option<Finding> {
    let typed = quoted(state);
    let (may, fix) = match group {
        Some(group) if gid == group => (0o770, format!("chmod 2770 {typed}")),
        Some(group) => (0o700, format!("chgrp {group} {typed}; chmod 2770 {typed}")),
        None => (0o700, format!("chmod 700 {typed}")),
    };
    (mode & 0o777 & !may != 0).then(|| {
        Finding::wrong(CHECK, format!("{} has mode {mode:o}", state.display()))
            .because("others can get at the ledger, or keep its lock from everybody")
            .mend(fix)
    })
}

/// What is wrong with a file. Where a group may use the state, files belong to its members.
fn fault(path: &Path, entry: Entry, shared: bool, is_ours: bool) -> Option<Finding> {
    let (shown, typed) = (path.display(), quoted(path));
    let planted = "it was planted, to be written through or read in place of ours";
    let look_first = format!("look at it with ls -l {typed}, then rm {typed}");
    match entry.kind {
        Kind::Link => Some(
            Finding::wrong(CHECK, format!("{shown} is a symbolic link"))
                .because(planted)
                .mend(look_first),
        ),
        Kind::File if entry.names > 1 => Some(
            Finding::wrong(CHECK, format!("{shown} has {} names", entry.names))
                .because(planted)
                .mend(format!(
                    "find / -xdev -samefile {typed} shows them: rm those that are not DS01's"
                )),
        ),
        Kind::Other => Some(
            Finding::wrong(CHECK, format!("{shown} is no plain file"))
                .because(planted)
                .mend(look_first),
        ),
        Kind::Directory if !is_ours => {
            Some(Finding::warning(CHECK, format!("{shown} is not ours")).mend(look_first))
        }
        _ if entry.uid != 0 && !shared => Some(
            Finding::wrong(
                CHECK,
                format!("{shown} belongs to {}", users::login(entry.uid)),
            )
            .because("its owner can change it at any time")
            .mend(format!("chown root {typed}")),
        ),
        _ if entry.mode & 0o002 != 0 => Some(
            Finding::wrong(CHECK, format!("{shown} has mode {:o}", entry.mode))
                .because("everybody can change it who gets a descriptor of its directory")
                .mend(format!("chmod o-rwx {typed}")),
        ),
        _ => None,
    }
}

/// A record that was being written by a process that is no more, or a ledger that was set aside.
fn left_over(path: &Path) -> Option<Finding> {
    let name = path.file_name()?.to_str()?;
    let typed = quoted(path);
    if name.starts_with("ledger.json.damaged-") {
        let what = format!("{} was set aside", path.display());
        return Some(
            Finding::warning(CHECK, what)
                .because("it could not be trusted, and was rebuilt from the engine")
                .mend(format!("find out what damaged it, then rm {typed}")),
        );
    }
    let pid: u32 = name.strip_prefix('.')?.rsplit_once('.')?.1.parse().ok()?;
    (!Path::new(&format!("/proc/{pid}")).exists()).then(|| {
        Finding::warning(CHECK, format!("{} was never finished", path.display()))
            .because("the process that wrote it died; it is read by nobody")
            .mend(format!("rm {typed}"))
    })
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn the_directory_is_for_root_or_the_group_that_is_meant() {
        let fix = |mode, gid, group| {
            directory(Path::new("/s"), mode, gid, group).and_then(|finding| finding.fix)
        };
        assert_eq!(fix(0o700, 0, None), None);
        assert_eq!(fix(0o2770, 7, Some(7)), None);
        assert_eq!(fix(0o700, 0, Some(7)), None);
        assert_eq!(fix(0o750, 0, None).as_deref(), Some("chmod 700 /s"));
        assert_eq!(fix(0o2771, 7, Some(7)).as_deref(), Some("chmod 2770 /s"));
        let other = Some("chgrp 7 /s; chmod 2770 /s");
        assert_eq!(fix(0o2770, 8, Some(7)).as_deref(), other);
    }

    #[test]
    fn only_plain_files_of_one_name_belong_there() {
        let verdict = |kind, uid, mode, names, shared| {
            let entry = Entry {
                kind,
                uid,
                mode,
                names,
            };
            fault(Path::new("/s/x"), entry, shared, false).map(|finding| finding.verdict)
        };
        assert_eq!(verdict(Kind::File, 0, 0o660, 1, false), None);
        assert_eq!(verdict(Kind::File, 9, 0o660, 1, true), None);
        for (kind, uid, mode, names) in [
            (Kind::File, 9, 0o660, 1),
            (Kind::File, 0, 0o660, 2),
            (Kind::File, 0, 0o666, 1),
            (Kind::Link, 0, 0o777, 1),
            (Kind::Other, 0, 0o600, 1),
        ] {
            let found = verdict(kind, uid, mode, names, false);
            assert_eq!(found, Some(Verdict::Wrong), "{kind:?}");
        }
        let directory = verdict(Kind::Directory, 0, 0o700, 2, false);
        assert_eq!(directory, Some(Verdict::Warning));
    }

    #[test]
    fn what_a_dead_process_left_is_told() {
        let told = |name: &str| left_over(&Path::new("/s").join(name)).is_some();
        assert!(told(".thesis._.1001.4194305"));
        assert!(!told(&format!(".thesis._.1001.{}", std::process::id())));
        assert!(!told("thesis._.1001.json"));
        assert!(!told("ledger.json.new"));
        assert!(told("ledger.json.damaged-1790000000"));
    }
}
