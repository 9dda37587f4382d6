//! A folder on a file system that never answers, as of a server that has gone.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use ds01_testkit::{Running, TestHost};

/// Puts it over a folder, for everybody. It is gone, with an error for all who wait for it, when
/// what is returned ends.
#[track_caller]
pub(crate) fn hung(host: &TestHost, folder: &str) -> Running {
    // Whoever asks waits for the file system's own process, which says nothing.
    let options = "fd=9,rootmode=40000,user_id=0,group_id=0,allow_other";
    let script = "exec 9<>/dev/fuse && mount -i -t fuse -o \"$0\" hung \"$1\" && read word";
    let root = host.as_user("root");
    let serving = root.spawn("sh", &["-c", script, options, folder]);
    let mounts = format!("/proc/{}/mountinfo", serving.pid());
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mounts = fs::read_to_string(&mounts).unwrap();
        if mounts.contains(&format!(" {folder} ")) {
            return serving;
        }
        assert!(Instant::now() < deadline, "{mounts}");
        thread::yield_now();
    }
}

/// Takes away what [`hung`] put there and has ended, as soon as the last of those who waited for it
/// has left.
#[track_caller]
pub(crate) fn taken_away(host: &TestHost, folder: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let unmounted = host.as_user("root").run("umount", &[folder]);
        if unmounted.status == Some(0) {
            return;
        }
        assert!(Instant::now() < deadline, "{unmounted:?}");
        thread::yield_now();
    }
}
