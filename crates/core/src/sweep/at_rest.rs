//! How long containers have not run, by a clock that nobody sets.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    container::ContainerId,
    time::{Timestamp, Uptime},
};

/// The version of [`AtRest`] that this build writes and reads.
const VERSION: u32 = 1;

/// What the sweep has seen of containers that do not run.
///
/// A host without power may come up with a clock of days ago, by which the engine dates the end of all
/// that ran, and then learn the time. So what counts is how long this host was up since the sweep first
/// saw that a container does not run, over all boots: no boot need last as long as one is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtRest {
    version: u32,
    /// The boot that its times are of.
    boot: String,
    /// When a container was last seen.
    last: Uptime,
    containers: BTreeMap<ContainerId, Rest>,
}

/// What was seen of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Rest {
    /// Since when it does not run, as the engine dates it: another rest has another.
    since: Timestamp,
    /// What counts of it in this boot begins here.
    from: Uptime,
    /// What counts of earlier boots.
    #[serde(with = "crate::time::seconds")]
    before: Duration,
}

impl AtRest {
    /// None was seen, in the boot of this id.
    pub fn new(boot: &str) -> Self {
        Self {
            version: VERSION,
            boot: boot.into(),
            last: Uptime::default(),
            containers: BTreeMap::new(),
        }
    }

    /// Reads what was written in the boot of this id, or in an earlier one.
    ///
    /// `None` of another version, or if it cannot be read: what nobody remembers is seen now for the
    /// first time.
    pub fn read(text: &[u8], boot: &str) -> Option<Self> {
        let mut read: Self = serde_json::from_slice(text).ok()?;
        if read.boot != boot {
            for rest in read.containers.values_mut() {
                rest.before = rest.before.saturating_add(read.last.since(rest.from));
                rest.from = Uptime::default();
            }
            (read.boot, read.last) = (boot.into(), Uptime::default());
        }
        (read.version == VERSION).then_some(read)
    }

    /// How long this one, which does not run `since` then, counts as at rest.
    pub fn see(&mut self, id: &ContainerId, since: Timestamp, now: Uptime) -> Duration {
        let anew = Rest {
            since,
            from: now,
            before: Duration::ZERO,
        };
        self.last = now;
        let rest = self.containers.entry(id.clone()).or_insert(anew.clone());
        if rest.since != since {
            *rest = anew;
        }
        rest.before.saturating_add(now.since(rest.from))
    }

    /// Forgets all but those that `rest` still.
    pub fn retain(&mut self, rests: impl Fn(&ContainerId) -> bool) {
        self.containers.retain(|id, _| rests(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const SINCE: Timestamp = Timestamp(7);

    fn hours(rested: Duration) -> u64 {
        rested.as_secs() / 3600
    }

    /// As the next pass reads it in that boot.
    fn again(seen: &AtRest, boot: &str) -> AtRest {
        AtRest::read(&serde_json::to_vec(seen).unwrap(), boot).unwrap()
    }

    #[test]
    fn a_rest_counts_from_when_it_was_first_seen_and_over_all_boots() {
        let id = ContainerId("0f".into());
        let mut seen = AtRest::new("monday");
        assert_eq!(hours(seen.see(&id, SINCE, Uptime(100 * HOUR))), 0);
        let mut seen = again(&seen, "monday");
        assert_eq!(hours(seen.see(&id, SINCE, Uptime(106 * HOUR))), 6);
        // Of a boot of which it was seen at rest before, all counts.
        let mut seen = again(&seen, "tuesday");
        assert_eq!(hours(seen.see(&id, SINCE, Uptime(HOUR))), 7);
        assert_eq!(hours(seen.see(&id, SINCE, Uptime(10 * HOUR))), 16);
        let mut seen = again(&seen, "wednesday");
        assert_eq!(hours(seen.see(&id, SINCE, Uptime(8 * HOUR))), 24);
    }

    #[test]
    fn what_ran_until_the_host_went_down_is_seen_for_the_first_time() {
        let (up, other) = (ContainerId("0f".into()), ContainerId("1f".into()));
        let mut seen = AtRest::new("monday");
        seen.see(&other, SINCE, Uptime(HOUR));
        let mut seen = again(&seen, "tuesday");
        assert_eq!(hours(seen.see(&up, SINCE, Uptime(9 * HOUR))), 0);
        assert_eq!(hours(seen.see(&up, SINCE, Uptime(10 * HOUR))), 1);
    }

    #[test]
    fn another_rest_begins_anew_and_what_is_gone_or_runs_is_forgotten() {
        let id = ContainerId("0f".into());
        let mut seen = AtRest::new("boot");
        seen.see(&id, SINCE, Uptime(0));
        let later = Timestamp(8);
        assert_eq!(hours(seen.see(&id, later, Uptime(5 * HOUR))), 0);
        assert_eq!(hours(seen.see(&id, later, Uptime(7 * HOUR))), 2);
        seen.retain(|_| false);
        assert_eq!(hours(seen.see(&id, later, Uptime(9 * HOUR))), 0);
    }

    #[test]
    fn what_cannot_be_read_begins_anew() {
        assert_eq!(AtRest::read(b"", "boot"), None);
        let text = serde_json::to_string(&AtRest::new("boot")).unwrap();
        let newer = text.replace("\"version\":1", "\"version\":2");
        assert_eq!(AtRest::read(newer.as_bytes(), "boot"), None);
    }
}
