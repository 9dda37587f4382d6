//! What volumes have been used for, kept for as long as they exist.
//!
//! An open folder of a volume outlives the container that opened it. So it is not the containers of
//! now that say what may share a volume, but all that ever had it.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{name::EngineName, time::Timestamp};

/// How long a volume, and its name, is not used again whose first container's making was given up: the
/// engine may still come to it.
const LINGERS: Duration = Duration::from_secs(3600);

/// Which containers have had a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Used {
    /// None yet.
    Never,
    /// Those with folders of the host, which run as their owner.
    Owner,
    /// Those that may run as root.
    Root,
}

impl Used {
    /// By a container that runs as its owner, or may be root.
    pub fn by(as_owner: bool) -> Self {
        match as_owner {
            true => Self::Owner,
            false => Self::Root,
        }
    }
}

/// What is known about one volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    used: Used,
    /// The engine copies what an image has into it, as far as anybody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filling: Option<Filling>,
}

impl Entry {
    /// Whether the engine may still come to fill it.
    fn may_fill(&self, now: Timestamp) -> bool {
        let filling = self.filling.as_ref();
        filling.is_some_and(|filling| now.since(filling.since) < LINGERS)
    }
}

/// The making of a container that fills a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filling {
    /// The container.
    by: EngineName,
    since: Timestamp,
}

/// Volumes, by the engine's names. Of one that is not here nobody knows anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UsedVolumes(BTreeMap<String, Entry>);

/// Why a volume cannot be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsettled {
    /// What an image has is copied into it, as far as anybody knows.
    Filling(String),
    /// Somebody else has used it meanwhile.
    Changed(String),
}

impl UsedVolumes {
    /// Which containers have had a volume, if anybody knows.
    pub fn used(&self, volume: &str) -> Option<Used> {
        self.0.get(volume).map(|entry| entry.used)
    }

    /// A volume is about to be made, of which the engine has just said that there is none.
    ///
    /// # Errors
    ///
    /// [`Unsettled::Filling`] while the engine may still come to fill the last of that name.
    pub fn make(&mut self, volume: &str, now: Timestamp) -> Result<(), Unsettled> {
        if self.0.get(volume).is_some_and(|entry| entry.may_fill(now)) {
            return Err(Unsettled::Filling(volume.into()));
        }
        let (used, filling) = (Used::Never, None);
        self.0.insert(volume.into(), Entry { used, filling });
        Ok(())
    }

    /// Containers have a volume, as the engine shows: what nobody knew is known by them.
    pub fn learn(&mut self, volume: &str, as_owner: bool) {
        let used = match self.used(volume) {
            None | Some(Used::Never) => Used::by(as_owner),
            Some(used) => used,
        };
        let filling = None;
        self.0.insert(volume.into(), Entry { used, filling });
    }

    /// The engine is about to be asked for a container with these volumes, which was decided by
    /// `seen`. Those that none has had yet are filled from its image.
    ///
    /// # Errors
    ///
    /// [`Unsettled`]: then nothing is changed.
    pub fn begin<'a>(
        &mut self,
        volumes: impl Iterator<Item = &'a String> + Clone,
        (container, as_owner): (&EngineName, bool),
        seen: &Self,
        now: Timestamp,
    ) -> Result<(), Unsettled> {
        for volume in volumes.clone() {
            let known = self.0.get(volume);
            if known.is_some_and(|entry| entry.may_fill(now)) {
                return Err(Unsettled::Filling(volume.clone()));
            }
            if known != seen.0.get(volume) {
                return Err(Unsettled::Changed(volume.clone()));
            }
        }
        for volume in volumes {
            let fills = seen.used(volume) == Some(Used::Never);
            let filling = fills.then(|| Filling {
                by: container.clone(),
                since: now,
            });
            let used = Used::by(as_owner);
            self.0.insert(volume.clone(), Entry { used, filling });
        }
        Ok(())
    }

    /// The engine has answered what was begun. Where it has refused, no container ever had them:
    /// they are as they were `seen`.
    pub fn end<'a>(
        &mut self,
        volumes: impl Iterator<Item = &'a String>,
        refused: bool,
        seen: &Self,
    ) {
        for volume in volumes {
            match (refused, seen.0.get(volume)) {
                (true, Some(entry)) => {
                    self.0.insert(volume.clone(), entry.clone());
                }
                (true, None) => {
                    self.0.remove(volume);
                }
                (false, _) => {
                    if let Some(entry) = self.0.get_mut(volume) {
                        entry.filling = None;
                    }
                }
            }
        }
    }

    /// The engine has made a container after all, and taken it away.
    pub fn gone(&mut self, container: &EngineName) {
        for entry in self.0.values_mut() {
            entry.filling.take_if(|filling| filling.by == *container);
        }
    }

    /// The engine has said that a volume is gone. Only of one that may still be filled it is kept.
    pub fn forget(&mut self, volume: &str) {
        let known = self.0.get(volume);
        if known.is_some_and(|entry| entry.filling.is_none()) {
            self.0.remove(volume);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> [String; 1] {
        ["data._.1001".into()]
    }

    fn begin(
        known: &mut UsedVolumes,
        as_owner: bool,
        seen: &UsedVolumes,
        now: u64,
    ) -> Result<(), Unsettled> {
        let by = "thesis._.1001".parse().unwrap();
        known.begin(names().iter(), (&by, as_owner), seen, Timestamp(now))
    }

    #[test]
    fn a_volume_is_filled_once_and_keeps_its_kind() {
        let names = names();
        let data = names[0].as_str();
        let mut known = UsedVolumes::default();
        known.make(data, Timestamp(0)).unwrap();
        let seen = known.clone();
        assert_eq!(seen.used(data), Some(Used::Never));
        begin(&mut known, true, &seen, 0).unwrap();
        // Nobody else has it while it is filled, whatever they saw.
        for seen in [&seen, &known.clone()] {
            let again = begin(&mut known, false, seen, 0);
            assert_eq!(again, Err(Unsettled::Filling(data.into())));
        }
        known.end(names.iter(), false, &seen);
        assert_eq!(known.used(data), Some(Used::Owner));
        let late = begin(&mut known, false, &seen, 0);
        assert_eq!(late, Err(Unsettled::Changed(data.into())));
        known.learn(data, false);
        assert_eq!(known.used(data), Some(Used::Owner));
        known.forget(data);
        assert_eq!(known.used(data), None);
        known.learn(data, false);
        assert_eq!(known.used(data), Some(Used::Root));
    }

    #[test]
    fn one_that_is_named_twice_is_filled_all_the_same() {
        let twice = [names(), names()].concat();
        let mut known = UsedVolumes::default();
        known.make(&twice[0], Timestamp(0)).unwrap();
        let (seen, by) = (known.clone(), "thesis._.1001".parse().unwrap());
        let begun = known.begin(twice.iter(), (&by, true), &seen, Timestamp(0));
        assert_eq!(begun, Ok(()));
        let again = begin(&mut known, true, &seen, 0);
        assert_eq!(again, Err(Unsettled::Filling(twice[0].clone())));
    }

    #[test]
    fn what_the_engine_refused_was_no_use() {
        let names = names();
        let mut known = UsedVolumes::default();
        for made in [false, true] {
            if made {
                known.make(&names[0], Timestamp(0)).unwrap();
            }
            let seen = known.clone();
            begin(&mut known, true, &seen, 0).unwrap();
            known.end(names.iter(), true, &seen);
            assert_eq!(known, seen);
        }
    }

    #[test]
    fn one_whose_filling_was_given_up_can_be_used_an_hour_later() {
        let mut known = UsedVolumes::default();
        known.make(&names()[0], Timestamp(0)).unwrap();
        let seen = known.clone();
        begin(&mut known, false, &seen, 100).unwrap();
        let seen = known.clone();
        let filling = Unsettled::Filling(names()[0].clone());
        assert_eq!(begin(&mut known, false, &seen, 3699), Err(filling));
        begin(&mut known, false, &seen, 3700).unwrap();
        // It had its files by then, or gets none.
        let seen = known.clone();
        begin(&mut known, false, &seen, 3700).unwrap();
    }

    #[test]
    fn one_that_may_still_be_filled_is_not_forgotten_for_an_hour() {
        let names = names();
        let data = names[0].as_str();
        let mut known = UsedVolumes::default();
        known.make(data, Timestamp(0)).unwrap();
        let seen = known.clone();
        begin(&mut known, false, &seen, 100).unwrap();
        known.forget(data);
        let early = known.make(data, Timestamp(3699));
        assert_eq!(early, Err(Unsettled::Filling(data.into())));
        known.make(data, Timestamp(3700)).unwrap();
        assert_eq!(known.used(data), Some(Used::Never));
        // If the container was there in the end, everybody knows that it is filled.
        let seen = known.clone();
        begin(&mut known, false, &seen, 4000).unwrap();
        known.gone(&"other._.1001".parse().unwrap());
        known.forget(data);
        assert_eq!(known.used(data), Some(Used::Root));
        known.gone(&"thesis._.1001".parse().unwrap());
        known.forget(data);
        assert_eq!(known.used(data), None);
    }
}
