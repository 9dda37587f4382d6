//! Whether a container that has just been started stays up.

use std::{
    thread,
    time::{Duration, Instant},
};

use ds01_core::{failure::Failure, name::ContainerArg, spec};
use serde::{Deserialize, Serialize};

use super::target;
use crate::{Operation, Site, users::Caller};

/// What an engine under load may take from a start to the first process's own program.
const LIMIT: Duration = Duration::from_secs(5);

/// From one look to the next.
const PAUSE: Duration = Duration::from_millis(20);

/// Lines of a log that say why it ended.
const LAST: usize = 3;

/// Asks what became of a container that was started, once its first process runs its own program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settle {
    /// Which.
    pub name: ContainerArg,
}

/// The end of a container that did not stay up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedAtOnce {
    /// The exit status of its first process.
    pub status: Option<i64>,
    /// The last lines that it printed.
    pub said: Vec<String>,
}

impl Operation for Settle {
    const NAME: &'static str = "settle";
    type Answer = Option<EndedAtOnce>;

    fn container(&self) -> Option<&ContainerArg> {
        Some(&self.name)
    }

    fn run(&self, site: &Site, caller: Caller) -> Result<Option<EndedAtOnce>, Failure> {
        let target = target::find(site, caller, &self.name)?;
        let engine = site.engine();
        let late = Instant::now() + LIMIT;
        let own = spec::IDLE.join(" ");
        loop {
            // Asked first: it may end in between. Who cannot be asked tells by its state alone.
            let commands = engine.commands(&target.id);
            let begins = commands.is_ok_and(|commands| !commands.contains(&own));
            let Some(seen) = engine.inspect_one(&target.id)? else {
                return Err(target::no_such(&self.name));
            };
            if !seen.state.is_up() {
                return Ok(Some(EndedAtOnce {
                    status: seen.status,
                    // Not every log can be read.
                    said: engine.last_lines(&target.id, LAST).unwrap_or_default(),
                }));
            }
            if !begins || Instant::now() > late {
                return Ok(None);
            }
            thread::sleep(PAUSE);
        }
    }
}
