//! `container-pause` and `container-unpause`: the devices stay held.

use ds01_core::{
    container::State,
    event::Event,
    failure::{Failure, Kind},
    name::{ContainerArg, ContainerName},
};
use serde::{Deserialize, Serialize};

use super::target;
use crate::{
    Operation, Site, clock,
    site::fail,
    users::{Caller, login},
};

/// Asks for a container's processes to be frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Which.
    pub name: ContainerArg,
}

/// Asks for a frozen container's processes to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpause {
    /// Which.
    pub name: ContainerArg,
}

impl Operation for Pause {
    const NAME: &'static str = "pause";
    type Answer = ContainerName;

    fn container(&self) -> Option<&ContainerArg> {
        Some(&self.name)
    }

    fn run(&self, site: &Site, caller: Caller) -> Result<ContainerName, Failure> {
        let target = target::find(site, caller, &self.name)?;
        let name = target.container.name.clone();
        match target::sight(site, &target)?.state {
            State::Running => {}
            State::Paused => return Ok(name),
            state => return Err(not(&name, state, "running", "container-start")),
        }
        site.engine().pause(&target.id)?;
        let event = Event::new(clock::now(), "container.pause").of(login(caller.uid));
        site.log(event.with("container", &target.container));
        Ok(name)
    }
}

impl Operation for Unpause {
    const NAME: &'static str = "unpause";
    type Answer = ContainerName;

    fn container(&self) -> Option<&ContainerArg> {
        Some(&self.name)
    }

    fn run(&self, site: &Site, caller: Caller) -> Result<ContainerName, Failure> {
        let target = target::find(site, caller, &self.name)?;
        let name = target.container.name.clone();
        match target::sight(site, &target)?.state {
            State::Paused => {}
            State::Running => return Ok(name),
            state => return Err(not(&name, state, "paused", "container-start")),
        }
        site.engine().unpause(&target.id)?;
        let event = Event::new(clock::now(), "container.unpause").of(login(caller.uid));
        site.log(event.with("container", &target.container));
        Ok(name)
    }
}

fn not(name: &ContainerName, is: State, wanted: &str, command: &str) -> Failure {
    let message = format!("container {name} is {is}, not {wanted}");
    fail(
        Kind::State,
        message,
        format!("start it with {command} {name}"),
    )
}
