//! What the duties remember between two passes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{due::Rule, idle::Idle, warning::Warnings};
use crate::{
    container::ContainerId,
    event::Event,
    ledger::Process,
    time::{Timestamp, Uptime},
};

/// The version of [`Watch`] that this build writes and reads.
const VERSION: u32 = 1;

/// One run of a container, from a start to the stop after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its first process.
    pub pid: u32,
    /// When that was started; when the run was first seen, where that cannot be read.
    pub began: Uptime,
    /// The same as the engine dates it.
    pub started: Timestamp,
}

/// What is remembered of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The run that all of it is about.
    pub run: Run,
    /// How idle it is.
    pub idle: Idle,
    /// What its owner was told of its longest run.
    pub longest: Warnings,
    /// What somebody is about to do about it.
    pub doing: Option<Doing>,
}

impl Watched {
    /// A run of which nothing is known yet.
    pub fn new(run: Run) -> Self {
        Self {
            run,
            idle: Idle::default(),
            longest: Warnings::default(),
            doing: None,
        }
    }
}

/// A step that somebody carries out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doing {
    /// Who. Once that process is dead, another goes on.
    pub by: Process,
    /// By which rule; `None` if an older version noted it, which does not say.
    #[serde(default)]
    pub rule: Option<Rule>,
    /// It is being stopped; otherwise its owner is told.
    pub stop: bool,
    /// It has stopped, and that is logged: what is left is to tell its owner.
    #[serde(default)]
    pub logged: bool,
    /// What is to be logged once it is done.
    pub event: Event,
}

/// What is remembered of all containers with devices that run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    version: u32,
    /// The boot that its times are of.
    boot: String,
    /// Demand was high.
    pub high_demand: bool,
    /// By container.
    pub containers: BTreeMap<ContainerId, Watched>,
}

impl Watch {
    /// Nothing is known, in the boot of this id.
    pub fn new(boot: &str) -> Self {
        Self {
            version: VERSION,
            boot: boot.into(),
            high_demand: false,
            containers: BTreeMap::new(),
        }
    }

    /// Reads what was written in the boot of this id.
    ///
    /// `None` of another boot or version, or if it cannot be read: everything begins anew then, and
    /// nothing is stopped for what nobody remembers.
    pub fn read(text: &[u8], boot: &str) -> Option<Self> {
        let read: Self = serde_json::from_slice(text).ok()?;
        (read.version == VERSION && read.boot == boot).then_some(read)
    }

    /// Takes out what a process that `is_dead` left half done. Whom it was about to tell of a rule will
    /// be told again. One that it was about to stop, and that is not `up` any more, is to be logged
    /// still, and its owner told: those are the result, and stay noted as being done by `here`.
    pub fn take_over(
        &mut self,
        is_dead: impl Fn(&Process) -> bool,
        up: impl Fn(&ContainerId) -> bool,
        here: Option<&Process>,
    ) -> Vec<(ContainerId, Doing)> {
        let mut stopped = Vec::new();
        for (id, watched) in &mut self.containers {
            let Some(doing) = watched.doing.take_if(|doing| is_dead(&doing.by)) else {
                continue;
            };
            match (doing.stop, doing.rule) {
                (true, _) if !up(id) => {
                    watched.doing = here.map(|here| Doing {
                        by: here.clone(),
                        ..doing.clone()
                    });
                    stopped.push((id.clone(), doing));
                }
                // Its warnings were given: it may be stopped now as well.
                (true, _) => {}
                (false, rule) => {
                    if rule != Some(Rule::Longest) {
                        watched.idle.not_told();
                    }
                    if rule != Some(Rule::Idle) {
                        watched.longest = Warnings::default();
                    }
                }
            }
        }
        stopped
    }

    /// What is remembered of this run of a container. Another run of it is forgotten.
    pub fn of(&mut self, id: &ContainerId, run: &Run) -> &mut Watched {
        let entry = self.containers.entry(id.clone());
        let watched = entry.or_insert_with(|| Watched::new(run.clone()));
        if watched.run != *run {
            *watched = Watched::new(run.clone());
        }
        watched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pid: u32) -> Run {
        Run {
            pid,
            began: Uptime(5000),
            started: Timestamp(7),
        }
    }

    #[test]
    fn what_is_written_is_read_in_the_same_boot_only() {
        let id = ContainerId("0f".into());
        let mut watch = Watch::new("boot");
        watch.of(&id, &run(1)).longest.exempt_told = true;
        let text = serde_json::to_vec(&watch).unwrap();
        assert_eq!(Watch::read(&text, "boot"), Some(watch));
        assert_eq!(Watch::read(&text, "another"), None);
        assert_eq!(Watch::read(&text[..text.len() - 1], "boot"), None, "cut");
        let text = String::from_utf8(text).unwrap();
        let newer = text.replace("\"version\":1", "\"version\":2");
        assert_eq!(Watch::read(newer.as_bytes(), "boot"), None);
        assert_eq!(Watch::read(b"", "boot"), None);
    }

    #[test]
    fn what_a_dead_process_left_half_done_is_done_again_or_logged() {
        let process = |pid| Process {
            pid,
            started: 1,
            boot: "boot".into(),
        };
        let event = |what: &str| Event::new(Timestamp(0), what);
        let doing = |pid, rule, stop, what| Doing {
            by: process(pid),
            rule: Some(rule),
            stop,
            logged: false,
            event: event(what),
        };
        let mut watch = Watch::new("boot");
        let all = [
            ("told", doing(1, Rule::Longest, false, "told")),
            ("told of the other", doing(1, Rule::Idle, false, "told")),
            ("stopped", doing(1, Rule::Longest, true, "stopped")),
            ("still up", doing(1, Rule::Longest, true, "still up")),
            ("alive", doing(2, Rule::Longest, true, "alive")),
        ];
        let warned = Warnings {
            exempt_told: true,
            ..Warnings::default()
        };
        for (name, doing) in &all {
            let watched = watch.of(&ContainerId(name.to_string()), &run(1));
            watched.doing = Some(doing.clone());
            watched.longest = warned;
        }
        let up = |id: &ContainerId| id.0 != "stopped" && id.0 != "alive";
        let here = process(3);
        let taken = watch.take_over(|process| process.pid == 1, up, Some(&here));
        let stopped = ContainerId("stopped".into());
        assert_eq!(taken, [(stopped, all[2].1.clone())]);
        let by = |watched: &Watched| watched.doing.as_ref().map(|doing| doing.by.pid);
        let left: Vec<_> = watch
            .containers
            .iter()
            .map(|(id, watched)| (id.0.as_str(), by(watched), watched.longest))
            .collect();
        let expected = [
            ("alive", Some(2), warned),
            ("still up", None, warned),
            ("stopped", Some(3), warned),
            ("told", None, Warnings::default()),
            ("told of the other", None, warned),
        ];
        assert_eq!(left, expected);
        let nobody = watch.take_over(|process| process.pid == 1, up, Some(&here));
        assert_eq!(nobody, [], "what this one does, it has taken over");
    }

    #[test]
    fn what_an_older_version_noted_is_read_and_its_warnings_are_given_again() {
        let id = ContainerId("0f".into());
        let mut watch = Watch::new("boot");
        let watched = watch.of(&id, &run(1));
        watched.longest.exempt_told = true;
        watched.doing = Some(Doing {
            by: Process {
                pid: 1,
                started: 1,
                boot: "boot".into(),
            },
            rule: None,
            stop: false,
            logged: false,
            event: Event::new(Timestamp(0), "told"),
        });
        let text = serde_json::to_string(&watch).unwrap();
        let older = text
            .replace("\"rule\":null,", "")
            .replace("\"logged\":false,", "");
        assert!(older.len() < text.len() - 20, "{older}");
        let mut read = Watch::read(older.as_bytes(), "boot").unwrap();
        assert_eq!(read, watch);
        assert_eq!(read.take_over(|_| true, |_| true, None), []);
        assert_eq!(read.containers[&id], Watched::new(run(1)));
    }

    #[test]
    fn another_run_of_a_container_is_not_the_one_that_was_watched() {
        let id = ContainerId("0f".into());
        let mut watch = Watch::new("boot");
        watch.of(&id, &run(1)).longest.exempt_told = true;
        assert!(watch.of(&id, &run(1)).longest.exempt_told);
        let later = Run {
            began: Uptime(6000),
            ..run(1)
        };
        for other in [run(2), later] {
            watch.of(&id, &run(1)).longest.exempt_told = true;
            assert_eq!(*watch.of(&id, &other), Watched::new(other.clone()));
        }
    }
}
