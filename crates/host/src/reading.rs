//! Whoever reads all files of a container, and whoever starts it: never both at a time.
//!
//! As long as the engine reads a container's files, it keeps them mounted, over a restart too. Then
//! whoever has kept a folder of the run before open, in another container, has it in the next run's
//! files; and the engine, which makes the working directory at each start, as root and by a path of
//! the host, could be led anywhere meanwhile.

use std::{
    fs::File,
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use ds01_core::{
    container::ContainerId,
    failure::{Failure, Kind},
    name::ContainerName,
};
use nix::{
    fcntl::{FcntlArg, fcntl},
    libc,
};

use crate::{Site, ledger_file::StateError, lock, site::fail};

/// In the state directory: for each container two bytes of it are locked, which do not have to be there.
const FILE: &str = "reading.lock";

/// How many digits of an id tell which: a file has no more bytes.
const DIGITS: usize = 15;

/// How long a start waits: somebody may have read to the end just now.
const PATIENCE: Duration = Duration::from_secs(5);

const AGAIN: Duration = Duration::from_millis(20);

/// All files of a container are read, as long as this lives. Others may read them, too.
#[derive(Debug)]
pub struct Reading(#[expect(dead_code, reason = "the lock ends with it")] File);

impl Reading {
    /// Begins, unless the container is being started: then `None`.
    ///
    /// # Errors
    ///
    /// If the state directory cannot be used.
    pub fn begin(state: &Path, id: &ContainerId) -> Result<Option<Self>, StateError> {
        Ok(take(state, id, Who::Reads)?.map(Self))
    }
}

/// A container is started, as long as this lives. Others may start it, too: the ledger decides between them.
#[derive(Debug)]
pub(crate) struct Starting(#[expect(dead_code, reason = "the lock ends with it")] File);

impl Starting {
    /// Begins, once nobody reads all its files.
    ///
    /// # Errors
    ///
    /// Status 4 if somebody goes on with that; or if the state directory cannot be used.
    pub(crate) fn begin(
        site: &Site,
        id: &ContainerId,
        name: &ContainerName,
    ) -> Result<Self, Failure> {
        let begun = Self::wait(&site.config().paths.state, id)?;
        begun.ok_or_else(|| {
            let message = format!("container {name} does not start while all its files are read");
            let hint = "try again when docker export or docker commit has ended, or end that";
            fail(Kind::State, message, hint.into())
        })
    }

    fn wait(state: &Path, id: &ContainerId) -> Result<Option<Self>, StateError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let begun = take(state, id, Who::Starts)?;
            if begun.is_some() || Instant::now() >= deadline {
                return Ok(begun.map(Self));
            }
            thread::sleep(AGAIN);
        }
    }
}

/// Who has a byte of a container locked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Reads,
    Starts,
}

/// Locks the byte of a container for those that read, or for those that start it. `None` if one of
/// the others has theirs: whoever looks after having locked their own sees who did so before.
fn take(state: &Path, id: &ContainerId, who: Who) -> Result<Option<File>, StateError> {
    let path = state.join(FILE);
    let unusable = |source| StateError::Unusable {
        path: path.clone(),
        source,
    };
    let odd = || io::Error::other(format!("no id of a container: {:?}", id.0));
    let digits = id.0.get(..DIGITS).ok_or_else(odd).map_err(unusable)?;
    let number = i64::from_str_radix(digits, 16).map_err(|_| unusable(odd()))?;
    let file = lock::open(&path).map_err(unusable)?;
    // Of the open file and not of the process: the gateway reads for many.
    let byte = |of: Who, kind: i32| libc::flock {
        l_type: kind as _,
        l_whence: libc::SEEK_SET as _,
        l_start: 2 * number + i64::from(of == Who::Starts),
        l_len: 1,
        l_pid: 0,
    };
    let others = match who {
        Who::Reads => Who::Starts,
        Who::Starts => Who::Reads,
    };
    let ask = |what: FcntlArg<'_>| fcntl(&file, what).map_err(|error| unusable(error.into()));
    ask(FcntlArg::F_OFD_SETLK(&byte(who, libc::F_RDLCK)))?;
    let mut found = byte(others, libc::F_WRLCK);
    ask(FcntlArg::F_OFD_GETLK(&mut found))?;
    Ok((i32::from(found.l_type) == libc::F_UNLCK).then_some(file))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn many_read_or_one_starts_and_never_both() {
        let state = std::env::temp_dir().join(format!("ds01-reading-{}", std::process::id()));
        fs::create_dir_all(&state).unwrap();
        let [one, other] = ["0f", "ff"].map(|start| ContainerId(start.repeat(32)));
        let read = |id| Reading::begin(&state, id).unwrap();
        let start = |id| Starting::wait(&state, id).unwrap();
        let both = (read(&one).unwrap(), read(&one).unwrap());
        assert!(start(&one).is_none(), "its files are read");
        let started = (start(&other).unwrap(), start(&other).unwrap());
        assert!(read(&other).is_none(), "it is being started");
        drop(started);
        read(&other).unwrap();
        thread::scope(|scope| {
            let waits = scope.spawn(|| start(&one));
            drop(both);
            waits.join().unwrap().unwrap();
        });
        assert!(Reading::begin(&state, &ContainerId("x".into())).is_err());
        fs::remove_dir_all(&state).unwrap();
    }
}
