//! This machine: the engine, the driver, files, users; and the operations on them.
//!
//! [`Host::open`] finds out how the caller reaches it; [`Host::ask`] runs an operation of
//! [`ops`]. Everything else is what those are made of.

pub mod clock;
pub mod config;
pub mod doctor;
pub mod engine;
pub mod events;
pub mod ledger_file;
pub mod limits_files;
mod lock;
pub mod look;
pub mod metadata;
pub mod nvml;
pub mod ops;
pub mod site;
pub mod users;

use ds01_core::{
    failure::{Failure, Kind},
    name::ContainerName,
};
use nix::{
    errno::Errno,
    unistd::{AccessFlags, access},
};
use serde::{Serialize, de::DeserializeOwned};

pub use site::Site;
pub use users::Caller;

/// Something that a command asks of the host: data, so that the gateway can be asked as well.
pub trait Operation: Serialize + DeserializeOwned {
    /// Its path at the gateway: `/ds01/v1/<NAME>`.
    const NAME: &'static str;
    /// What it gives back.
    type Answer: Serialize + DeserializeOwned;

    /// Does it, as `caller`.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that says what happened, why, and what to do; nothing is left half done.
    fn run(&self, site: &Site, caller: Caller) -> Result<Self::Answer, Failure>;
}

/// What came of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Answered<T> {
    /// Its answer.
    pub value: T,
    /// What the user should know beside, a line each.
    pub notices: Vec<String>,
}

/// This machine, as one caller sees it.
pub struct Host {
    site: Site,
    caller: Caller,
}

impl Host {
    /// Opens this machine for the user who runs this process, who must have direct access to
    /// the state: root, the one user of a machine, or a member of the configured docker group.
    /// `source` is the name of the command, for events.
    ///
    /// # Errors
    ///
    /// If the configuration is wrong, or the caller has no access.
    pub fn open(source: &str) -> Result<Self, Failure> {
        let site = Site::new(config::Config::load()?, source)?;
        let state = &site.config().paths.state;
        // On a disk that cannot be written, containers can still be listed.
        if access(state, AccessFlags::W_OK) == Err(Errno::EACCES) {
            let message = format!("you may not use {}", state.display());
            return Err(
                Failure::new(Kind::Forbidden, message).with_hint("ask an admin for access to DS01")
            );
        }
        Ok(Self {
            site,
            caller: Caller::of_this_process(),
        })
    }

    /// Runs an operation.
    ///
    /// # Errors
    ///
    /// The operation's own.
    pub fn ask<O: Operation>(&self, operation: &O) -> Result<Answered<O::Answer>, Failure> {
        let result = operation.run(&self.site, self.caller);
        let notices = self.site.take_notices();
        match result {
            Ok(value) => Ok(Answered { value, notices }),
            Err(failure) => Err(Failure { notices, ..failure }),
        }
    }

    /// A shell's connection goes to the engine itself, whichever way operations go.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The caller's projects: the folders of `~/workspace` whose names a container can have.
    ///
    /// # Errors
    ///
    /// If the caller has no login, or the folder cannot be read.
    pub fn projects(&self) -> Result<Vec<ContainerName>, Failure> {
        let workspace = users::person(self.caller.uid)?.home.join("workspace");
        let folders = match std::fs::read_dir(&workspace) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            folders => folders.map_err(|error| {
                let message = format!("cannot read {}: {error}", workspace.display());
                Failure::new(Kind::Failed, message)
            })?,
        };
        let folders = folders.flatten().filter(|folder| folder.path().is_dir());
        let name = |folder: std::fs::DirEntry| folder.file_name().to_str()?.parse().ok();
        let mut names: Vec<ContainerName> = folders.filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    /// Who asks.
    pub fn caller(&self) -> Caller {
        self.caller
    }
}
