//! `ds01.toml`: where things are on this host.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use ds01_core::{
    docker::LogLimit,
    failure::{Failure, Kind, UserError},
    ledger::SETTLED,
};
use nix::unistd::{getegid, geteuid, getgid, getuid};
use serde::{Deserialize, Serialize};

use crate::tell::ByCommand;

mod gateway;

pub use gateway::Gateway;

/// The configuration that counts unless `DS01_CONFIG` names another.
pub(crate) const DEFAULT: &str = "/etc/ds01/ds01.toml";

/// Where `ds01-takeover` moves the engine's socket.
const MOVED: &str = "/run/ds01-engine/docker.sock";

/// What the gateway runs with, in the run directory.
const RUNNING: &str = "config.json";

/// This host. Every key has a default; an unknown key is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The Docker Engine.
    pub engine: Engine,
    /// Directories.
    pub paths: Paths,
    /// NVIDIA's driver.
    pub gpu: Gpu,
    /// Containers.
    pub containers: Containers,
    /// Who may use the engine and the state directly.
    pub access: Access,
    /// The gateway.
    pub gateway: Gateway,
    /// How users are told what their own commands do not tell.
    pub tell: ByCommand,
    /// Why this is not what the file says now.
    #[serde(skip)]
    pub stale: Option<String>,
}

/// `[engine]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Engine {
    /// Its socket: by default `/run/ds01-engine/docker.sock` if that is there, else `/run/docker.sock`.
    pub socket: PathBuf,
    /// Seconds that it has to answer a call, 1 to 60; 60 by default.
    pub timeout_s: u64,
    /// Default runtimes, beside runc, that give a container no GPU for a variable of its image.
    pub plain_runtimes: Vec<String>,
}

impl Engine {
    /// What the engine has to answer a call.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}

/// `[paths]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Paths {
    /// `resource-limits.yaml` and the files beside it.
    pub config: PathBuf,
    /// The ledger and what DS01 knows of each container.
    pub state: PathBuf,
    /// `events.jsonl`.
    pub log: PathBuf,
    /// The gateway's socket.
    pub run: PathBuf,
}

/// `[gpu]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gpu {
    /// The driver's library, where it is not `libnvidia-ml.so.1` on the loader's path.
    pub library: Option<PathBuf>,
}

/// `[containers]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Containers {
    /// The image of a container that names none and whose project has none.
    pub default_image: Option<String>,
    /// Folders of the host, beside one's home, that `--workspace` and `--data` may name.
    pub bind_roots: Vec<PathBuf>,
    /// Whether the owner's home is mounted at the same path.
    pub mount_home: bool,
    /// The size of a file of a container's log, as Docker writes it, where a request says nothing;
    /// `100m` by default. Empty, it is what the engine's own configuration says.
    pub log_size: String,
    /// How many such files; 3 by default.
    pub log_files: u32,
    /// Seconds that a command may wait in line at most, by `--wait`; 86400 by default.
    pub longest_wait_s: u64,
}

impl Containers {
    /// How long a command may wait in line at most.
    pub fn longest_wait(&self) -> Duration {
        Duration::from_secs(self.longest_wait_s)
    }

    /// What limits the logs of containers.
    pub fn log(&self) -> Option<LogLimit<'_>> {
        let (size, files) = (self.log_size.as_str(), self.log_files);
        (!size.is_empty()).then_some(LogLimit { size, files })
    }
}

impl Default for Containers {
    fn default() -> Self {
        Self {
            default_image: None,
            bind_roots: Vec::new(),
            mount_home: false,
            log_size: "100m".into(),
            log_files: 3,
            longest_wait_s: 24 * 3600,
        }
    }
}

/// `[access]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Members of this group use the engine and the state directory without the gateway.
    /// Any of them can become root and edit the ledger: quotas are advice among them.
    pub docker_group: Option<String>,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            socket: match Path::new(MOVED).exists() {
                true => MOVED.into(),
                false => "/run/docker.sock".into(),
            },
            timeout_s: SETTLED.as_secs(),
            plain_runtimes: Vec::new(),
        }
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            config: "/etc/ds01".into(),
            state: "/var/lib/ds01".into(),
            log: "/var/log/ds01".into(),
            run: "/run/ds01".into(),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A setting in the file is wrong.
    #[error("{path}: {reason}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What and where.
        reason: String,
    },
    /// A user's own configuration names a state directory that is not their own.
    #[error("{config} belongs to uid {uid}, but its state directory {state} is shared with others")]
    NotYours {
        /// The configuration.
        config: PathBuf,
        /// Its owner.
        uid: u32,
        /// The state directory.
        state: PathBuf,
    },
}

impl UserError for ConfigError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unreadable { .. } => Kind::Unreachable,
            Self::Wrong { .. } => Kind::Usage,
            Self::NotYours { .. } => Kind::Forbidden,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotYours { .. } => {
                Some("unset DS01_CONFIG, or ask an admin to make root own that file".into())
            }
            _ => Some("ask an admin to mend it".into()),
        }
    }
}

impl Config {
    /// Reads the host's configuration; without one, the defaults.
    ///
    /// `DS01_CONFIG` names another file, unless the process has more rights than its caller.
    ///
    /// # Errors
    ///
    /// If the file is unreadable or wrong; if a file that root does not own names a state
    /// directory that its owner does not have alone.
    pub fn load() -> Result<Self, ConfigError> {
        match Self::named() {
            Some(path) => Self::read(&path),
            None => Self::of_host(),
        }
    }

    /// Reads the configuration of a service: `file`, or the host's. The environment says nothing.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn of_service(file: Option<&Path>) -> Result<Self, ConfigError> {
        match file {
            Some(file) => Self::read(file),
            None => Self::of_host(),
        }
    }

    fn of_host() -> Result<Self, ConfigError> {
        let error = match Self::read(Path::new(DEFAULT)) {
            Err(ConfigError::Unreadable { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(Self::default());
            }
            Err(error) => error,
            config => return config,
        };
        match Self::running() {
            Some(config) => {
                let why = Failure::from(error).one_line();
                let until = "what the gateway began with holds until an admin mends it";
                let stale = Some(format!("{why}; {until}"));
                Ok(Self { stale, ..config })
            }
            None => Err(error),
        }
    }

    /// What the gateway of this host began with, at this boot.
    fn running() -> Option<Self> {
        let mut file = File::open(Paths::default().run.join(RUNNING)).ok()?;
        let by_root = file.metadata().is_ok_and(|file| file.uid() == 0);
        let mut text = Vec::new();
        file.read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok().filter(|_| by_root)
    }

    /// Keeps this for when the file cannot be read any more: what the gateway runs with.
    ///
    /// # Errors
    ///
    /// The file system's.
    pub fn keep_running(&self) -> io::Result<()> {
        let path = self.paths.run.join(RUNNING);
        let new = path.with_extension("json.new");
        fs::write(&new, serde_json::to_vec(self)?)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644))?;
        fs::rename(new, path)
    }

    /// The file that `DS01_CONFIG` names, for a process that may be told so.
    pub(crate) fn named() -> Option<PathBuf> {
        let privileged = getuid() != geteuid() || getgid() != getegid();
        let named = std::env::var_os("DS01_CONFIG");
        named
            .filter(|path| !path.is_empty() && !privileged)
            .map(PathBuf::from)
    }

    /// Reads this file, as [`Config::load`].
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            path: path.into(),
            source,
        };
        let wrong = |reason: String| ConfigError::Wrong {
            path: path.into(),
            reason,
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let owner = file.metadata().map_err(unreadable)?.uid();
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(unreadable)?;
        let config: Self = toml::from_str(&text).map_err(|error| {
            let line = error
                .span()
                .map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            wrong(format!("line {line}: {}", error.message()))
        })?;
        if let Some(reason) = config.fault() {
            return Err(wrong(reason));
        }
        let alone = |dir: fs::Metadata| dir.uid() == owner && dir.mode() & 0o022 == 0;
        let state = &config.paths.state;
        if owner != 0 && fs::metadata(state).is_ok_and(|dir| !alone(dir)) {
            let (config, state) = (path.into(), state.clone());
            return Err(ConfigError::NotYours {
                config,
                uid: owner,
                state,
            });
        }
        Ok(config)
    }

    /// What cannot be, if anything.
    fn fault(&self) -> Option<String> {
        let Paths {
            config,
            state,
            log,
            run,
        } = &self.paths;
        let paths = [
            ("config", config),
            ("state", state),
            ("log", log),
            ("run", run),
        ];
        if let Some((key, dir)) = paths.iter().find(|(_, dir)| !dir.is_absolute()) {
            return Some(format!("paths.{key}: {} is not absolute", dir.display()));
        }
        let roots = &self.containers.bind_roots;
        if let Some(root) = roots.iter().find(|root| !root.is_absolute()) {
            return Some(format!("containers.bind_roots: {root:?} is not absolute"));
        }
        if let Some(LogLimit { size, files }) = self.containers.log().filter(|log| !log.is_valid())
        {
            return Some(format!(
                "containers.log_size, log_files: {size:?} and {files} are not as \"100m\" and 3"
            ));
        }
        if let Some(path) = &self.gateway.takes_over {
            let shown = path.display();
            if !path.is_absolute() {
                return Some(format!("gateway.takes_over: {shown} is not absolute"));
            }
            if *path == self.engine.socket {
                return Some(format!(
                    "gateway.takes_over: {shown} is engine.socket itself"
                ));
            }
        }
        if let Some(fault) = self.tell.fault() {
            return Some(fault);
        }
        // The ledger counts on it: nothing that was asked for comes later than SETTLED.
        let (timeout, longest) = (self.engine.timeout_s, SETTLED.as_secs());
        let possible = (1..=longest).contains(&timeout);
        (!possible).then(|| format!("engine.timeout_s: {timeout} is not 1 to {longest}"))
    }
}

#[cfg(test)]
mod tests;
