//! `ds01-notices`. What fills it is tested where it is told: crates/host/src/tell.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
};

use ds01_testkit::TestHost;

use crate::support::expect::{ALICE, done, failed};

const NOTICES: &str = "ds01-notices";

/// Leaves what alice was told in 2001 and 2002 for her next login.
fn told(host: &TestHost) {
    let dir = host.state_dir().join("notices");
    let file = dir.join(ALICE.to_string());
    let lines =
        "2001-09-09T01:46:40Z thesis was idle for 27m\n2002-01-01T00:00:00Z GPU 1 is yours\n";
    fs::create_dir_all(&dir).unwrap();
    fs::write(&file, lines).unwrap();
    let state = fs::metadata(host.state_dir()).unwrap();
    for (path, mode) in [(&dir, state.mode() & 0o7777), (&file, 0o660)] {
        chown(path, None, Some(state.gid())).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
}

/// What was told, without how long ago.
fn texts(stdout: &str) -> Vec<&str> {
    stdout
        .lines()
        .map(|line| line.split_once(" ago: ").unwrap().1)
        .collect()
}

#[test]
fn each_user_reads_their_own_once() {
    let host = TestHost::new();
    told(&host);
    let bob = host.as_user("bob").run(NOTICES, &[]);
    assert_eq!(bob, done("", "nothing new\n"));
    let alice = host.run(NOTICES, &[]);
    assert_eq!(
        texts(&alice.stdout),
        ["thesis was idle for 27m", "GPU 1 is yours"]
    );
    assert_eq!((alice.status, alice.stderr.as_str()), (Some(0), ""));
    assert_eq!(host.run(NOTICES, &[]), done("", "nothing new\n"));
}

#[test]
fn a_login_is_told_on_a_terminal_and_a_script_is_not() {
    let host = TestHost::new();
    assert_eq!(host.run(NOTICES, &["--login"]), done("", ""));
    told(&host);
    assert_eq!(host.run(NOTICES, &["--login"]), done("", ""));
    let script = ["-c", "ds01-notices --login | cat"];
    let (_, piped) = host.as_user("alice").pty("sh", &script).rest();
    assert_eq!(piped, "");
    let login = || host.as_user("alice").pty(NOTICES, &["--login"]).rest();
    let greeting = "0 of 1 GPUs in use, 0 of 3 containers; more with check-limits\r\n";
    let (status, shown) = login();
    assert_eq!(status, Some(0));
    let notices = shown.strip_prefix(greeting).unwrap();
    assert_eq!(
        texts(notices),
        ["thesis was idle for 27m", "GPU 1 is yours"]
    );
    assert_eq!(login(), (Some(0), greeting.into()));
}

#[test]
fn a_login_writes_the_limits_anew_and_reads_notices_without_them() {
    let host = TestHost::new();
    let login = || host.as_user("alice").pty(NOTICES, &["--login"]).rest();
    login();
    let kept = fs::read_to_string(host.home("alice").join(".ds01-limits")).unwrap();
    assert!(kept.contains("Max Containers: 3 (0 in use)\n"), "{kept}");

    told(&host);
    host.engine().kill();
    let (status, shown) = login();
    assert_eq!(status, Some(0));
    assert!(shown.contains("no Docker Engine answers"), "{shown}");
    assert!(shown.contains("GPU 1 is yours"), "{shown}");
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let host = TestHost::new();
    told(&host);
    let file = host.state_dir().join("notices/20001");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let message = format!(
        "ds01-notices: cannot use {}: Is a directory\nhint: tell an admin\n",
        file.display()
    );
    assert_eq!(host.run(NOTICES, &[]), failed(8, &message));
}
