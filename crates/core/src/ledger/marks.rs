//! From which container on the engine is asked for what is new.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::Ledger;
use crate::{
    container::{ContainerId, Sighting},
    time::Timestamp,
};

/// How many containers are remembered to list from: of those that are gone nothing can be listed.
const MARKS: usize = 16;

/// How old a container must be for nothing older to turn up any more.
///
/// The engine dates a container when it is asked for it and lists it, at that place, once it
/// is made: after those that were asked for later and made sooner. As long as any call to
/// the engine may take (`host::engine`).
pub const SETTLED: Duration = Duration::from_secs(60);

/// A container from which the engine can be asked to list what is newer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The engine's id.
    pub id: ContainerId,
    /// When the engine was asked for it.
    pub created: Timestamp,
}

impl Ledger {
    /// The containers to list from at `now`, best first: what is older is accounted for.
    ///
    /// None if one is from the future: since the clock was set back, new ones are dated before it.
    pub fn marks_at(&self, now: Timestamp) -> &[Mark] {
        let future = self.marks.iter().any(|mark| mark.created > now);
        if future { &[] } else { &self.marks }
    }

    /// Remembers what is accounted for: all of `news`, which were listed at `asked`, newest first.
    pub(crate) fn set_marks(&mut self, news: &[Sighting], asked: Timestamp) {
        let settled = |c: &&Sighting| c.created + SETTLED <= asked;
        let new = news.iter().filter(settled).map(|c| Mark {
            id: c.id.clone(),
            created: c.created,
        });
        let mut marks: Vec<_> = new.chain(std::mem::take(&mut self.marks)).collect();
        marks.retain(|mark| mark.created <= asked);
        marks.sort_by_key(|mark| std::cmp::Reverse(mark.created));
        let mut ids = BTreeSet::new();
        marks.retain(|mark| ids.insert(mark.id.clone()));
        marks.truncate(MARKS);
        self.marks = marks;
        self.recent = news
            .iter()
            .filter(|c| !settled(c))
            .map(|c| c.id.clone())
            .collect();
    }
}
