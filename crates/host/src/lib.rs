//! This machine: the engine, the driver, files, users; and the operations on them.
//!
//! [`Host::open`] finds out how the caller reaches it; [`Host::ask`] runs an operation of
//! [`ops`]. Everything else is what those are made of.

mod abilities;
pub mod build;
pub mod build_log;
mod cgroup;
mod changes;
mod child_task;
pub mod clock;
pub mod config;
mod context;
pub mod doctor;
pub mod editor;
pub mod engine;
mod engine_namespace;
pub mod events;
mod fetch;
mod first_process;
mod found;
mod gateway;
pub mod going;
mod gone;
mod helper_process;
mod http;
mod kernel_file;
pub mod ledger_file;
pub mod limits_files;
pub mod line_watch;
mod lock;
pub mod look;
pub mod metadata;
pub mod new_project;
pub mod nvml;
pub mod ops;
pub mod original;
mod own_file;
mod owner;
pub mod owners_file;
pub mod passwd;
mod patience;
pub mod projects;
pub mod reading;
pub mod removal;
pub mod service;
pub mod site;
mod slices;
pub mod ssh;
pub mod staging;
pub mod system;
pub mod tell;
pub mod text_file;
mod tracked_file;
pub mod users;
pub mod volumes_file;
mod watch_file;

use std::{os::fd::BorrowedFd, path::Path, time::Duration};

use ds01_core::{
    failure::{Failure, Kind},
    name::ContainerArg,
};
use nix::{
    errno::Errno,
    unistd::{AccessFlags, access, geteuid},
};
use serde::{Serialize, de::DeserializeOwned};

use gateway::Gateway;
use line_watch::{Await, Awaited, Vigil};
pub use site::Site;
pub use users::Caller;

/// A request of a command to the host. It is serialisable, so that it can also be sent to the gateway.
pub trait Operation: Serialize + DeserializeOwned {
    /// Its path at the gateway: `/ds01/v1/<NAME>`.
    const NAME: &'static str;
    /// What it gives back.
    type Answer: Serialize + DeserializeOwned;

    /// How long it may take, beyond the engine's time limit for a call.
    fn takes(&self) -> Duration {
        Duration::ZERO
    }

    /// The container that it is about, as it was typed.
    fn container(&self) -> Option<&ContainerArg> {
        None
    }

    /// Carries the request out on behalf of `caller`.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that says what happened, why, and what to do; nothing is left half done.
    fn run(&self, site: &Site, caller: Caller) -> Result<Self::Answer, Failure>;
}

/// The result of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Answered<T> {
    /// Its answer.
    pub value: T,
    /// Notices to the user besides the answer, a line each.
    pub notices: Vec<String>,
}

/// This machine, as one caller sees it.
pub struct Host {
    way: Way,
    caller: Caller,
    /// Why the configuration is not what its file says.
    stale: Option<String>,
}

/// How the caller reaches the engine and the state.
enum Way {
    /// In this process.
    Direct(Box<Site>),
    /// Through the gateway, which does the same for them.
    Gateway(Box<Gateway>),
}

/// What is told of the environment where it does not count.
const UNMINDED: &str = "DS01_CONFIG is not minded here: name the file with --config";

impl Host {
    /// Opens this machine for the user who runs this process: directly if they may write the
    /// state directory (root, the one user of a machine, a member of the configured docker
    /// group), otherwise through the gateway. `source` is the name of the command, for events.
    ///
    /// # Errors
    ///
    /// If the configuration is wrong; if the caller has no direct access and there is no gateway.
    pub fn open(source: &str) -> Result<Self, Failure> {
        let config = config::Config::load()?;
        let stale = config.stale.clone();
        let caller = Caller::of_this_process();
        let gateway = Gateway::new(&config);
        let state = &config.paths.state;
        let gateway_only = match access(state, AccessFlags::W_OK) {
            // On a disk that cannot be written, containers can still be listed.
            Err(Errno::EACCES) => true,
            Err(Errno::ENOENT) => caller.uid != 0 && gateway.is_there(),
            _ => false,
        };
        let way = match gateway_only {
            true if gateway.is_there() => Way::Gateway(Box::new(gateway)),
            true => {
                let message = format!("you may not use {}", state.display());
                return Err(Failure::new(Kind::Forbidden, message)
                    .with_hint("ask an admin for access to DS01"));
            }
            false => Way::Direct(Box::new(Site::new(config, source)?)),
        };
        Ok(Self { way, caller, stale })
    }

    /// Opens this machine for a duty of the host's own: in this process, for root alone, with `config`
    /// or the host's configuration, and none that the environment names. With `looks` it only looks: no
    /// state directory is made.
    ///
    /// # Errors
    ///
    /// If this is not root; if the configuration is wrong, or the host has no limits.
    pub fn of_service(config: Option<&Path>, source: &str, looks: bool) -> Result<Self, Failure> {
        let caller = Caller::of_this_process();
        if caller.uid != 0 || !geteuid().is_root() {
            return Err(
                Failure::new(Kind::Forbidden, "only root may run this").with_hint(format!(
                    "as root: sudo {source} --dry-run shows what it would do"
                )),
            );
        }
        let unminded = config.is_none() && config::Config::named().is_some();
        let config = config::Config::of_service(config)?;
        limits_files::exist(&config.paths).map_err(|mut failure| {
            // It may be why they are not found.
            failure.notices.extend(unminded.then(|| UNMINDED.into()));
            failure
        })?;
        let stale = config.stale.clone();
        let site = match looks {
            true => Site::as_is(config, source),
            false => Site::new(config, source)?,
        };
        if unminded {
            site.notice(UNMINDED.into());
        }
        let site = site.for_others();
        Ok(Self {
            way: Way::Direct(Box::new(site)),
            caller,
            stale,
        })
    }

    /// The user who runs this process.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// Calls `told` once if an answer takes long.
    pub fn tell_if_slow(&self, told: fn(&str)) {
        match &self.way {
            Way::Direct(site) => site.engine().patience.is_told(told),
            Way::Gateway(gateway) => gateway.is_told_if_slow(told),
        }
    }

    /// Whether operations are run by the gateway, not in this process.
    pub fn is_by_gateway(&self) -> bool {
        matches!(self.way, Way::Gateway(_))
    }

    /// Runs an operation.
    ///
    /// # Errors
    ///
    /// The operation's own.
    pub fn ask<O: Operation>(&self, operation: &O) -> Result<Answered<O::Answer>, Failure> {
        let mut said = match &self.way {
            Way::Direct(site) => answer(site, self.caller, operation),
            Way::Gateway(gateway) => gateway.ask(operation),
        };
        match &mut said {
            Ok(answered) => answered.notices.extend(self.stale.clone()),
            Err(failure) => {
                failure.notices.extend(self.stale.clone());
                if let Some(typed) = operation.container() {
                    failure.hint = failure.hint.take().map(|hint| typed.as_typed(&hint));
                }
            }
        }
        said
    }

    /// Waits in line until there is something to tell, or it is time to ask again; `None` as soon
    /// as `stop` can be read.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read, or the gateway does not answer.
    pub fn wait(&self, asked: Await, stop: BorrowedFd<'_>) -> Result<Option<Awaited>, Failure> {
        match &self.way {
            Way::Direct(site) => {
                line_watch::wait(&site.ledger, &mut Vigil::new(self.caller.uid, asked), stop)
            }
            Way::Gateway(gateway) => gateway.wait(&asked, stop),
        }
    }

    /// Subscribes to the engine's events about containers.
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached.
    pub fn happenings(&self) -> Result<engine::Happenings, Failure> {
        Ok(self.engine().happenings()?)
    }

    /// Who answers Docker's own calls for this caller, such as a shell's: the engine, or the
    /// gateway in its place.
    fn engine(&self) -> &engine::Engine {
        match &self.way {
            Way::Direct(site) => site.engine(),
            Way::Gateway(gateway) => gateway.engine(),
        }
    }
}

/// Runs an operation in this process, and collects its notices.
fn answer<O: Operation>(
    site: &Site,
    caller: Caller,
    operation: &O,
) -> Result<Answered<O::Answer>, Failure> {
    let result = operation.run(site, caller);
    let notices = site.take_notices();
    match result {
        Ok(value) => Ok(Answered { value, notices }),
        Err(failure) => Err(Failure { notices, ..failure }),
    }
}
