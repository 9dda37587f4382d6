//! When DS01 first saw the containers that something else made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{container::ContainerId, time::Uptime};

/// The version of [`FirstSeen`] that this build writes and reads.
const VERSION: u32 = 1;

/// When a duty first saw each container that something else made. A run which went on before counts
/// from there: on the day when DS01 takes a host over, nobody knew how long one may last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstSeen {
    version: u32,
    /// The boot that its times are of.
    boot: String,
    containers: BTreeMap<ContainerId, Uptime>,
}

impl FirstSeen {
    /// None was seen, in the boot of this id.
    pub fn new(boot: &str) -> Self {
        Self {
            version: VERSION,
            boot: boot.into(),
            containers: BTreeMap::new(),
        }
    }

    /// Reads what was written in the boot of this id.
    ///
    /// `None` of another boot or version, or if it cannot be read: no run outlasts a boot, and what
    /// nobody remembers is seen now for the first time.
    pub fn read(text: &[u8], boot: &str) -> Option<Self> {
        let read: Self = serde_json::from_slice(text).ok()?;
        (read.version == VERSION && read.boot == boot).then_some(read)
    }

    /// Takes in those that are there `now`, all of them.
    pub fn see<'a>(&mut self, there: impl IntoIterator<Item = &'a ContainerId>, now: Uptime) {
        let before = std::mem::take(&mut self.containers);
        let since = |id: &ContainerId| (id.clone(), before.get(id).copied().unwrap_or(now));
        self.containers = there.into_iter().map(since).collect();
    }

    /// When this one was seen first.
    pub fn first(&self, id: &ContainerId) -> Option<Uptime> {
        self.containers.get(id).copied()
    }

    /// From when a run counts that `began` then: of one that was never taken in, DS01 knew when it
    /// began.
    pub fn counts_from(&self, id: &ContainerId, began: Uptime) -> Uptime {
        self.first(id).map_or(began, |first| began.max(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_counts_from_when_it_was_first_seen_and_a_later_one_from_its_start() {
        let id = |name: &str| ContainerId(name.into());
        let (old, ours, new) = (id("old"), id("ours"), id("new"));
        let mut seen = FirstSeen::new("boot");
        seen.see([&old], Uptime(5000));
        seen.see([&old, &new], Uptime(9000));
        let text = serde_json::to_vec(&seen).unwrap();
        assert_eq!(FirstSeen::read(&text, "another"), None);
        let seen = FirstSeen::read(&text, "boot").unwrap();
        assert_eq!(seen.counts_from(&old, Uptime(1)), Uptime(5000));
        assert_eq!(seen.counts_from(&old, Uptime(7000)), Uptime(7000));
        assert_eq!(seen.counts_from(&new, Uptime(1)), Uptime(9000));
        assert_eq!(seen.counts_from(&ours, Uptime(1)), Uptime(1));
        let mut later = seen;
        later.see([&new], Uptime(9900));
        assert_eq!(later.counts_from(&old, Uptime(1)), Uptime(1), "it is gone");
        assert_eq!(later.counts_from(&new, Uptime(1)), Uptime(9000));
    }
}
