//! How much the kernel lets one uid watch files, which root in a container is counted by too.

use std::{fs, io};

use super::Finding;

const CHECK: &str = "watches";

/// Where the kernel says how many instances of inotify each uid may have: 128 where nobody set it.
///
/// Source: `inotify(7)`, "/proc interfaces".
const MOST: &str = "/proc/sys/fs/inotify/max_user_instances";

/// Instances that nobody uses up by accident.
const LEAST: u64 = 8192;

pub(super) fn check() -> Finding {
    judge(fs::read_to_string(MOST))
}

fn judge(most: io::Result<String>) -> Finding {
    let Ok(Ok(most)) = most.map(|text| text.trim().parse::<u64>()) else {
        let what = format!("how many instances of inotify a uid may have: {MOST} does not say");
        return Finding::unknown(CHECK, what);
    };
    if most >= LEAST {
        let what = format!("each uid may have {most} instances of inotify");
        return Finding::ok(CHECK, what);
    }
    Finding::warning(
        CHECK,
        format!("each uid may have only {most} instances of inotify"),
    )
    .because(
        "root in containers is counted with the host's: whoever has one can keep services of the \
             host from watching files",
    )
    .mend("sysctl --system, which reads 40-ds01.conf and names each file: none after it may have less")
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn what_the_kernel_begins_with_is_too_little() {
        let verdict = |text: &str| judge(Ok(text.into())).verdict;
        assert_eq!(verdict("128\n"), Verdict::Warning);
        assert_eq!(verdict("8192\n"), Verdict::Ok);
        assert_eq!(verdict("2147483647\n"), Verdict::Ok);
        assert_eq!(verdict(""), Verdict::Unknown);
        let absent = judge(Err(io::ErrorKind::NotFound.into()));
        assert_eq!(absent.verdict, Verdict::Unknown);
    }
}
