//! Who could put something else in the place of a file that DS01 trusts.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Finding, quoted};
use crate::{config::Config, limits_files, users};

const CHECK: &str = "paths";

/// A file or directory on the way to something trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    uid: u32,
    gid: u32,
    mode: u32,
    /// It is only passed through.
    above: bool,
}

/// `file` is the configuration, unless it is only a candidate.
pub(super) fn check(file: Option<&Path>, config: &Config) -> Vec<Finding> {
    let paths = &config.paths;
    let trusted = config.access.docker_group.as_deref().map(users::gid_of);
    let trusted = trusted.and_then(Result::ok);
    let mut steps = BTreeMap::new();
    let mut findings = Vec::new();
    let policy = limits_files::paths(&paths.config);
    let ours = [&paths.config, &paths.state, &paths.log, &paths.run];
    let ours = ours.into_iter().chain(&policy).map(PathBuf::as_path);
    let ours = ours.chain(file);
    // The socket itself is looked at elsewhere.
    for path in ours.chain(config.engine.socket.parent()) {
        if let Err(error) = walk(path, &mut steps) {
            let what = format!("cannot look at {}: {error}", path.display());
            findings.push(Finding::unknown(CHECK, what).mend("run ds01-doctor as root"));
        }
    }
    for (path, step) in &steps {
        // What those members may write is told of by its own check.
        let shared = *path == paths.state || *path == paths.log;
        let group = trusted.filter(|_| shared);
        findings.extend(fault(path, *step, group));
    }
    if findings.is_empty() {
        let what = "nobody but root can replace the configuration, the state or a socket";
        findings.push(Finding::ok(CHECK, what));
    }
    findings
}

/// Notes everything from `/` to `path`, through links as well. What does not exist is no step.
fn walk(path: &Path, steps: &mut BTreeMap<PathBuf, Step>) -> io::Result<()> {
    let real = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        real => Some(real?),
    };
    for end in [Some(path), real.as_deref()].into_iter().flatten() {
        for at in end.ancestors() {
            let known = match fs::metadata(at) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                known => known?,
            };
            let step = Step {
                uid: known.uid(),
                gid: known.gid(),
                mode: known.mode() & 0o7777,
                above: at != end,
            };
            let known = steps.entry(at.into()).or_insert(step);
            known.above &= step.above;
        }
    }
    Ok(())
}

/// What is wrong with a step. In a directory with the sticky bit, as `/tmp`, nobody can replace
/// what is another's.
fn fault(path: &Path, step: Step, group: Option<u32>) -> Option<Finding> {
    let sticky = step.above && step.mode & 0o1000 != 0;
    let (shown, typed) = (path.display(), quoted(path));
    let (what, fix) = if step.uid != 0 {
        let what = format!("{shown} belongs to {}", users::login(step.uid));
        (what, format!("chown root {typed}"))
    } else if step.mode & 0o002 != 0 && !sticky {
        let what = format!("{shown} has mode {:o}: everybody can write it", step.mode);
        (what, format!("chmod o-w {typed}"))
    } else if step.mode & 0o020 != 0 && step.gid != 0 && group != Some(step.gid) && !sticky {
        let Step { mode, gid, .. } = step;
        let what = format!("{shown} has mode {mode:o}: the group {gid} can write it");
        (what, format!("chmod g-w {typed}"))
    } else {
        return None;
    };
    let why = "whoever can change it decides what DS01 reads and trusts";
    Some(Finding::wrong(CHECK, what).because(why).mend(fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fix(uid: u32, gid: u32, mode: u32, above: bool) -> Option<String> {
        let step = Step {
            uid,
            gid,
            mode,
            above,
        };
        fault(Path::new("/x"), step, Some(7)).and_then(|finding| finding.fix)
    }

    #[test]
    fn only_root_may_write_what_is_trusted() {
        assert_eq!(fix(0, 0, 0o755, false), None);
        assert_eq!(fix(0, 0, 0o775, false), None);
        assert_eq!(fix(0, 7, 0o2770, false), None);
        assert_eq!(fix(0, 0, 0o1777, true), None);
        assert_eq!(fix(0, 0, 0o1777, false).as_deref(), Some("chmod o-w /x"));
        assert_eq!(fix(0, 0, 0o777, true).as_deref(), Some("chmod o-w /x"));
        assert_eq!(fix(0, 5, 0o775, true).as_deref(), Some("chmod g-w /x"));
        assert_eq!(fix(1000, 0, 0o755, true).as_deref(), Some("chown root /x"));
    }
}
