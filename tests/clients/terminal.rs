//! A terminal.

use std::{
    thread,
    time::{Duration, Instant},
};

use ds01_testkit::TestHost;

use super::{alice, docker};

const PROMPT: &str = "# ";

#[test]
fn a_terminal_is_the_containers_own() {
    let host = TestHost::behind_gateway(1);
    let mut shell = alice(&host).pty("docker", &["run", "-it", "--rm", "--name=c", "ds01-base"]);
    shell.expect(PROMPT);
    shell.send("until [ \"$(stty size)\" = '24 80' ]; do :; done; echo si''zed\r");
    shell.expect("\r\nsized\r\n");
    shell.send("until stty size | grep -q '^50 10.$'; do :; done; echo re''sized\r");
    // Docker's client looks for changes only after it has told the first size: one may come too early.
    let deadline = Instant::now() + Duration::from_secs(60);
    for columns in (100..110).cycle() {
        shell.resize(50, columns);
        if shell.output().contains("\r\nresized\r\n") || Instant::now() > deadline {
            break;
        }
        thread::yield_now();
    }
    shell.expect("\r\nresized\r\n");
    shell.send("sh -c 'echo u''p; exec sleep 1000'\r");
    shell.expect("\r\nup\r\n");
    shell.send("\x03");
    shell.expect(PROMPT);
    shell.send("echo was-$?\r");
    shell.expect("\r\nwas-130\r\n");
    shell.send("exit 7\r");
    assert_eq!(shell.wait(), Some(7), "{}", shell.output());
    assert_eq!(docker(&host, &["ps", "-aq"]).ok(), "", "--rm");
    one_can_leave_it_and_come_back(&host);
}

fn one_can_leave_it_and_come_back(host: &TestHost) {
    docker(host, &["run", "-dit", "--name=c", "ds01-base"]).ok();
    for (args, keys, status) in [
        (&["attach", "c"][..], "\x10\x11", 1),
        (&["attach", "--detach-keys=ctrl-x", "c"], "\x18", 1),
        (&["exec", "-it", "c", "sh"], "\x10\x11", 1),
        (&["exec", "-it", "c", "sh"], "(exit 9)\r\x04", 9),
        (&["attach", "c"], "exit 3\r", 3),
    ] {
        let mut shell = alice(host).pty("docker", args);
        shell.send("echo he''re\r");
        shell.expect("\r\nhere\r\n");
        shell.expect(PROMPT);
        shell.send(keys);
        assert_eq!(shell.wait(), Some(status), "{args:?}: {}", shell.output());
    }
    let state = docker(
        host,
        &[
            "inspect",
            "-f",
            "{{.State.Status}} {{.State.ExitCode}}",
            "c",
        ],
    );
    assert_eq!(state.ok(), "exited 3\n");
}
