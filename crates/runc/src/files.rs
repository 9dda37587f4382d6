//! How many files a container's process may have open: fewer than runc itself.
//!
//! The kernel counts descriptors that are on their way over sockets by uid, root in all containers
//! together, and lets nobody send any while there are more than the *sender* may have open
//! (`too_many_unix_fds`, net/core/scm.c). runc sends a terminal so, as root in the new container. If
//! that one may have more open than any container, none can keep others from starting.

use std::{fs, io};

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use serde_json::{Value, json};

/// The kind of limit, as a specification calls it.
const KIND: &str = "RLIMIT_NOFILE";

/// As many as a container may have open at most, if nobody says otherwise.
const MOST: rlim_t = 65_536;

/// The most that a process may have, and what that is where nobody set it.
const KERNELS: (&str, rlim_t) = ("/proc/sys/fs/nr_open", 1_048_576);

/// How many files a process may have open, and how far it may raise that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Files {
    soft: rlim_t,
    hard: rlim_t,
}

/// Raises what this process may have open as far as can be; says how many a container may that it
/// makes.
///
/// # Errors
///
/// If the kernel does not say.
pub(crate) fn raise() -> io::Result<Files> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let set = fs::read_to_string(KERNELS.0).ok();
    let set = set.and_then(|text| text.trim().parse().ok());
    let most = hard.max(set.unwrap_or(KERNELS.1));
    // Who may not pass the limit that it has been given may at least use all of it.
    let own = [most, hard]
        .into_iter()
        .find(|most| setrlimit(Resource::RLIMIT_NOFILE, *most, *most).is_ok());
    Ok(Files { soft, hard }.below(own.unwrap_or(soft)))
}

impl Files {
    /// The same for a container, if what makes it may have `own`.
    fn below(self, own: rlim_t) -> Self {
        let hard = self.hard.min(MOST).min(own / 2);
        let soft = self.soft.min(hard);
        Self { soft, hard }
    }

    /// Has what this process begins inherit it.
    ///
    /// # Errors
    ///
    /// If it is more than this process may have.
    pub(crate) fn inherit(self) -> io::Result<()> {
        Ok(setrlimit(Resource::RLIMIT_NOFILE, self.soft, self.hard)?)
    }

    /// Gives it to a container whose specification says nothing.
    pub(crate) fn put(self, spec: &mut Value) {
        let limits = &mut spec["process"]["rlimits"];
        if says(limits) {
            return;
        }
        let limit = json!({ "type": KIND, "soft": self.soft, "hard": self.hard });
        match limits.as_array_mut() {
            Some(limits) => limits.push(limit),
            None => *limits = json!([limit]),
        }
    }
}

/// Whether a process that joins a container is to inherit that, by what the engine asks for it and what
/// runc keeps of the container: one in a user namespace, for which the engine asks nothing of its own.
pub(crate) fn inherits(process: &Value, state: &Value) -> bool {
    let namespaces = state["config"]["namespaces"].as_array();
    let mut namespaces = namespaces.into_iter().flatten();
    !says(&process["rlimits"]) && namespaces.any(|one| one["type"] == "NEWUSER")
}

fn says(limits: &Value) -> bool {
    let mut limits = limits.as_array().into_iter().flatten();
    limits.any(|limit| limit["type"] == KIND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_has_fewer_than_what_makes_it() {
        let below = |soft, hard, own| {
            let files = Files { soft, hard }.below(own);
            (files.soft, files.hard)
        };
        assert_eq!(below(1_048_576, 1_048_576, 1_048_576), (65_536, 65_536));
        assert_eq!(below(1024, 524_288, 1_048_576), (1024, 65_536));
        // Where it cannot be raised.
        assert_eq!(below(1024, 20_000, 20_000), (1024, 10_000));
        assert_eq!(below(1024, 4096, 1_048_576), (1024, 4096));
    }

    #[test]
    fn what_the_engine_says_is_kept() {
        let files = Files { soft: 9, hard: 10 };
        let own = json!({ "type": KIND, "soft": 9, "hard": 10 });
        let core = json!({ "type": "RLIMIT_CORE", "soft": 1, "hard": 1 });
        let asked = json!({ "type": KIND, "soft": 99, "hard": 99 });
        for (before, after) in [
            (Value::Null, json!([own])),
            (json!([core]), json!([core, own])),
            (json!([core, asked]), json!([core, asked])),
        ] {
            let mut spec = json!({ "process": { "rlimits": before } });
            files.put(&mut spec);
            assert_eq!(spec["process"]["rlimits"], after);
        }
        let apart =
            json!({ "config": { "namespaces": [{ "type": "NEWPID" }, { "type": "NEWUSER" }] } });
        let joins = |asked| inherits(&json!({ "rlimits": asked }), &apart);
        assert!(joins(Value::Null) && joins(json!([core])));
        assert!(!joins(json!([core, asked])));
        // What may manage the host is left alone.
        let privileged = json!({ "config": { "namespaces": [{ "type": "NEWPID" }] } });
        assert!(!inherits(&json!({}), &privileged));
    }
}
