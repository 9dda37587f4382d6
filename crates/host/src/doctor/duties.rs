//! Whether the duties run: each pass of the lifecycle writes what it remembers, whatever it found.

use std::{io, path::Path, time::Duration};

use ds01_core::{ledger::Allocation, time::Timestamp};

use super::{Finding, ledger::Facts};
use crate::{clock, watch_file};

const CHECK: &str = "duties";

/// A pass comes once a minute: nothing that works for a while is late by so much.
const LATE: Duration = Duration::from_secs(5 * 60);

/// `state` is the state directory. Where no container has a GPU, duties have nothing to do.
pub(super) fn check(facts: &Facts<'_>, state: &Path) -> Option<Finding> {
    let needed = needed_since(facts)?;
    let now = clock::both();
    let booted = Timestamp(now.wall.0.saturating_sub(now.uptime.0 / 1000));
    let last = watch_file::written(state);
    Some(judge(last, needed, booted, now.wall))
}

/// Since when there is a container that has GPUs.
fn needed_since(facts: &Facts<'_>) -> Option<Timestamp> {
    let has = |entry: &&Allocation| !entry.devices.is_empty() && entry.holds(facts.now);
    let ours = facts.ledger.entries().filter(has);
    let ours = ours.filter_map(|entry| entry.id.as_ref());
    let others = facts.ledger.unmanaged.iter().map(|other| &other.id);
    let containers = ours.chain(others).filter_map(|id| facts.container(id));
    containers.map(|container| container.created).min()
}

/// `last` is when a pass ended, if one ever did.
fn judge(
    last: io::Result<Option<Timestamp>>,
    needed: Timestamp,
    booted: Timestamp,
    now: Timestamp,
) -> Finding {
    let last = match last {
        Ok(last) => last,
        Err(error) => return Finding::unknown(CHECK, format!("whether they run: {error}")),
    };
    let due = last.unwrap_or(needed);
    if last.is_some() && now.since(due) <= LATE {
        return Finding::ok(CHECK, "they run");
    }
    // Where the host was down, nothing could run.
    if now.since(due.max(booted)) <= LATE {
        return Finding::unknown(CHECK, "whether they run: none was due for long enough")
            .mend("run ds01-doctor again in some minutes");
    }
    let what = match last {
        Some(last) => format!("none has ended a pass since {last}"),
        None => "none has ever run".into(),
    };
    Finding::warning(CHECK, what)
        .because("idle containers and long runs are neither warned nor stopped, and nobody who joined with gpu-queue gets their turn")
        .mend("systemctl --no-reload enable --now ds01.target, or take the # away in /etc/cron.d/ds01; if they are switched on: journalctl -u ds01-runtime")
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn duties_are_late_after_minutes_in_which_the_host_was_up_and_had_work_for_them() {
        const NOW: Timestamp = Timestamp(1_790_000_000);
        let ago = |minutes: u64| NOW - Duration::from_secs(60 * minutes);
        for (last, needed, booted, verdict) in [
            (Some(1), 60, 900, Verdict::Ok),
            (Some(5), 60, 900, Verdict::Ok),
            (Some(6), 60, 900, Verdict::Warning),
            // Switched on or not, they did not run while there was no container.
            (Some(6), 1, 900, Verdict::Warning),
            (None, 60, 900, Verdict::Warning),
            (None, 5, 900, Verdict::Unknown),
            // The host has just come back.
            (Some(600), 900, 5, Verdict::Unknown),
            (None, 900, 5, Verdict::Unknown),
            (Some(600), 900, 6, Verdict::Warning),
            (None, 900, 6, Verdict::Warning),
        ] {
            let found = judge(Ok(last.map(ago)), ago(needed), ago(booted), NOW);
            assert_eq!(found.verdict, verdict, "{last:?} {needed} {booted}");
        }
        let unread = Err(io::ErrorKind::PermissionDenied.into());
        let found = judge(unread, ago(60), ago(900), NOW);
        assert_eq!(found.verdict, Verdict::Unknown);
    }
}
