//! Containers as the engine tells of them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{labels::Labels, time::Timestamp};

/// The engine's id of a container: 64 hexadecimal digits, never given twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContainerId(pub String);

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A container's state, as Docker names it; users read "stopped" for exited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Made, never started.
    Created,
    /// Its processes run; those that API 1.53 calls `stopping` still do.
    #[serde(alias = "stopping")]
    Running,
    /// Its processes are frozen.
    Paused,
    /// Between two runs, by its restart policy.
    Restarting,
    /// Being removed.
    Removing,
    /// Its processes ended.
    Exited,
    /// Ended, and could not be removed.
    Dead,
}

impl State {
    /// Whether its processes exist, or are to again by its restart policy.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }

    /// Whether its processes exist: one that restarts is up, but has none between two runs.
    pub fn has_processes(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }

    /// Whether its processes have ended: the time in which its devices are held for it runs.
    pub fn is_stopped(self) -> bool {
        matches!(self, Self::Exited | Self::Dead)
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "created" => Self::Created,
            "running" | "stopping" => Self::Running,
            "paused" => Self::Paused,
            "restarting" => Self::Restarting,
            "removing" => Self::Removing,
            "exited" => Self::Exited,
            "dead" => Self::Dead,
            other => {
                return Err(format!(
                    "a container state that Docker does not have: {other:?}"
                ));
            }
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "stopped",
            Self::Dead => "dead",
        })
    }
}

/// One line of the engine's list of containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The engine's id.
    pub id: ContainerId,
    /// The engine's name, without the slash before it.
    pub name: String,
    /// Its state when the list was made.
    pub state: State,
    /// The image as it was named at creation, or its id if that name has moved on.
    pub image: String,
    /// When it was made.
    pub created: Timestamp,
    /// The engine's words on its state, such as `Up 2 hours`.
    pub status: String,
    /// Its labels: a copy for people, never proof of who owns it.
    pub labels: Labels,
    /// The folders and files of the host that it has.
    pub binds: Vec<String>,
}

impl Sighting {
    /// How long it has been up, as precisely as the list tells it: `2h`. Empty if it does not run.
    ///
    /// To ask for the exact time costs as long again as the list. Source of the engine's words:
    /// `HumanDuration` of docker/go-units.
    pub fn uptime(&self) -> String {
        let Some(up) = self.status.strip_prefix("Up ") else {
            return String::new();
        };
        // "2 hours (Paused)": the state is told beside.
        let words = up.split(" (").next().unwrap_or(up);
        let (number, unit) = match words {
            "Less than a second" => ("0", "second"),
            "About a minute" => ("1", "minute"),
            "About an hour" => ("1", "hour"),
            _ => words.split_once(' ').unwrap_or((words, "")),
        };
        match unit.trim_end_matches('s') {
            unit @ ("second" | "minute" | "hour" | "day" | "week" | "year") => {
                format!("{number}{}", &unit[..1])
            }
            "month" => format!("{number}mo"),
            _ => words.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ledger::tests::sighting;

    use super::*;

    #[test]
    fn an_uptime_is_short() {
        for (status, uptime) in [
            ("Up Less than a second", "0s"),
            ("Up 1 second", "1s"),
            ("Up 45 seconds", "45s"),
            ("Up About a minute", "1m"),
            ("Up 2 hours (Paused)", "2h"),
            ("Up About an hour (healthy)", "1h"),
            ("Up 3 weeks", "3w"),
            ("Up 2 months", "2mo"),
            ("Up since the flood", "since the flood"),
            ("Exited (0) 2 hours ago", ""),
        ] {
            let seen = Sighting {
                status: status.into(),
                ..sighting("a._.1", &[], State::Running)
            };
            assert_eq!(seen.uptime(), uptime, "{status}");
        }
    }
}
