//! Who waits for a lock of the state directory.

use std::{fs, os::unix::fs::MetadataExt};

use ds01_testkit::TestHost;

/// Whether a process waits for the lock on this file of the state directory, by proc(5)'s locks.
pub(crate) fn is_awaited(host: &TestHost, lock: &str) -> bool {
    let number = fs::metadata(host.state_dir().join(lock)).unwrap().ino();
    let end = format!(":{number} 0 EOF");
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks
        .lines()
        .any(|line| line.contains("-> FLOCK") && line.ends_with(&end))
}
