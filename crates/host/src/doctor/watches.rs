//! How much the kernel lets one uid watch files, which root in a container is counted by too, and how
//! many terminals it lets all of them have.

use std::{fs, io};

use super::Finding;

const CHECK: &str = "watches";

/// What the kernel counts for containers and the host together.
struct Limit {
    /// Where the kernel says it.
    file: &'static str,
    /// As many as nobody uses up by accident.
    least: u64,
    /// What is counted.
    what: &'static str,
    /// What goes wrong with fewer.
    why: &'static str,
}

/// 128 instances and 4096 terminals, where nobody set them.
///
/// Sources: `inotify(7)`, "/proc interfaces"; `pty(7)`, "Files".
const LIMITS: [Limit; 2] = [
    Limit {
        file: "/proc/sys/fs/inotify/max_user_instances",
        least: 8192,
        what: "instances of inotify for each uid",
        why: "root in containers is counted with the host's: whoever has one can keep services of the \
              host from watching files",
    },
    Limit {
        file: "/proc/sys/kernel/pty/max",
        least: 65_536,
        what: "terminals for the host and all containers",
        why: "whoever has a container can use up all terminals, so that nobody gets one, in a container \
              or by ssh",
    },
];

pub(super) fn check() -> Finding {
    judge(|limit| fs::read_to_string(limit.file))
}

fn judge(read: impl Fn(&Limit) -> io::Result<String>) -> Finding {
    let mut said = Vec::new();
    for limit in &LIMITS {
        let Limit { file, what, .. } = limit;
        let Ok(Ok(most)) = read(limit).map(|text| text.trim().parse::<u64>()) else {
            return Finding::unknown(CHECK, format!("{what}: {file} does not say how many"));
        };
        if most < limit.least {
            return Finding::warning(CHECK, format!("only {most} {what}"))
                .because(limit.why)
                .mend(
                    "sysctl --system, which reads 40-ds01.conf and names each file: none after it may \
                     have less",
                );
        }
        said.push(format!("{most} {what}"));
    }
    Finding::ok(CHECK, said.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn what_the_kernel_begins_with_is_too_little() {
        let found = |inotify: &str, terminals: &str| {
            judge(|limit| {
                let is_inotify = limit.file.contains("inotify");
                Ok(if is_inotify { inotify } else { terminals }.into())
            })
        };
        let verdict = |inotify, terminals| found(inotify, terminals).verdict;
        assert_eq!(verdict("128\n", "65536\n"), Verdict::Warning);
        assert_eq!(verdict("8192\n", "65536\n"), Verdict::Ok);
        assert_eq!(verdict("2147483647\n", "1048576\n"), Verdict::Ok);
        assert_eq!(verdict("8192\n", "4096\n"), Verdict::Warning);
        assert_eq!(verdict("", "65536\n"), Verdict::Unknown);
        assert_eq!(verdict("8192\n", ""), Verdict::Unknown);
        let few = found("8192\n", "4096\n");
        assert_eq!(
            few.what,
            "only 4096 terminals for the host and all containers"
        );
        let absent = judge(|_| Err(io::ErrorKind::NotFound.into()));
        assert_eq!(absent.verdict, Verdict::Unknown);
    }
}
