//! Room on the disks that DS01 writes to.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::{Finding, quoted};

const CHECK: &str = "room";

/// Bytes that a new ledger, its spare and some records need: a ledger of 1,000 containers has 400 KiB.
const LEAST: u64 = 1 << 20;

/// Bytes of which an admin should know before nothing is left.
const LITTLE: u64 = 64 << 20;

/// New files that the same takes.
const LEAST_FILES: u64 = 8;

/// What is left on a disk.
struct Left {
    bytes: u64,
    /// New files; `None` where none are counted.
    files: Option<u64>,
}

/// The disks of the state and of the log; and the log itself, to which `group` may write.
pub(super) fn check(state: &Path, log: &Path, group: Option<&str>) -> Vec<Finding> {
    let all = [
        (
            state,
            "nothing can be allocated, and no container be made or removed",
        ),
        (log, "events are not logged, and not shown by ds01-events"),
    ];
    let found = all.map(|(folder, why)| match left(folder) {
        Ok(left) => judge(folder, why, &left),
        Err(errno) => {
            let what = format!("cannot tell what room is left for {}", folder.display());
            Some(Finding::unknown(CHECK, format!("{what}: {errno}")))
        }
    });
    let found = found.into_iter().flatten();
    // A new host has neither.
    let is_gone = state.exists() && !log.exists();
    let found = found.chain(is_gone.then(|| gone(log, group))).collect();
    super::or_ok(found, CHECK, "there is room for the state and the log")
}

fn gone(log: &Path, group: Option<&str>) -> Finding {
    let typed = quoted(log);
    let make = match group {
        None => format!("mkdir -m 750 {typed}"),
        Some(group) => format!("install -d -m 2770 -g {group} {typed}"),
    };
    Finding::wrong(CHECK, format!("there is no {}", log.display()))
        .because("what happens is not logged, and not shown by ds01-events")
        .mend(make)
}

/// What is left for a folder, on the disk on which it is or is to be made.
fn left(folder: &Path) -> nix::Result<Left> {
    let there = folder.ancestors().find(|folder| folder.exists());
    let disk = statvfs(there.unwrap_or(folder))?;
    // Root's, which is who writes there.
    Ok(Left {
        bytes: disk.blocks_free().saturating_mul(disk.fragment_size()),
        files: (disk.files() > 0).then(|| disk.files_free()),
    })
}

fn judge(folder: &Path, why: &str, left: &Left) -> Option<Finding> {
    let (shown, typed) = (folder.display(), quoted(folder));
    if left.files.is_some_and(|files| files < LEAST_FILES) {
        let what = format!("the disk of {shown} takes no new files");
        let fix = format!("make room: df -i {typed} shows the disk");
        return Some(Finding::wrong(CHECK, what).because(why).mend(fix));
    }
    let fix = format!("make room: df -h {typed} shows the disk");
    let kib = left.bytes >> 10;
    let what = format!("the disk of {shown} has {kib} KiB left");
    match left.bytes {
        ..LEAST => Some(Finding::wrong(CHECK, what).because(why).mend(fix)),
        LEAST..LITTLE => {
            let why = format!("without any, {why}");
            Some(Finding::warning(CHECK, what).because(why).mend(fix))
        }
        LITTLE.. => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn bytes_and_files_run_out() {
        let verdict = |bytes, files| {
            judge(Path::new("/s"), "", &Left { bytes, files }).map(|finding| finding.verdict)
        };
        assert_eq!(verdict(LITTLE, None), None);
        assert_eq!(verdict(LITTLE, Some(LEAST_FILES)), None);
        assert_eq!(verdict(LITTLE - 1, None), Some(Verdict::Warning));
        assert_eq!(verdict(LEAST - 1, None), Some(Verdict::Wrong));
        assert_eq!(verdict(LITTLE, Some(0)), Some(Verdict::Wrong));
    }
}
