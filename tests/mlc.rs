//! AIME's MLC: the commands that we have of it, and its own scripts beside ours.

mod aime;
mod create;

use ds01_testkit::TestHost;

use crate::support::expect::{created, done, failed, outcome, running, state};

/// A table with what counts time, CPUs and memory replaced.
fn timeless(text: &str) -> String {
    let number = |c: char| c.is_ascii_digit() || c == '.';
    let word = |word: &str| match word {
        "second" | "seconds" | "Less" | "than" | "a" => String::new(),
        word if word.ends_with(['%', 'B']) && word.starts_with(number) => "N".into(),
        word if !word.is_empty() && word.chars().all(number) => String::new(),
        word => word.to_string(),
    };
    let line = |line: &str| {
        let words = line.split_whitespace().map(word);
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        words.join(" ") + "\n"
    };
    text.lines().map(line).collect()
}

#[test]
fn the_lists_look_as_aimes_do() {
    let host = TestHost::with_gpus(2);
    created(&host, "thesis");
    host.run("container-create", &["tools", "ds01-busybox", "--cpu-only"])
        .ok();
    host.run("mlc-start", &["tools"]).ok();
    created_by(&host, "bob", "his");
    let list = |user: &str, args: &[&str]| {
        let shown = host.as_user(user).run("mlc-list", args);
        (timeless(&shown.stdout), shown.stderr)
    };
    let own = "\nAvailable ml-containers are:\n\n\
               CONTAINER FRAMEWORK STATUS\n\
               [thesis] ds01-base Created\n\
               [tools] ds01-busybox Up\n\n";
    assert_eq!(list("alice", &[]), (own.into(), String::new()));
    let yours = "these are yours: only admins see the containers of all users\n";
    let with_user = "\nAvailable ml-containers are:\n\n\
                     CONTAINER USER STATUS\n\
                     [thesis] alice Created\n\
                     [tools] alice Up\n\n";
    assert_eq!(list("alice", &["-a"]), (with_user.into(), yours.into()));
    let all = with_user.replace("[thesis]", "[his] bob Created\n[thesis]");
    assert_eq!(list("root", &["--all"]), (all, String::new()));
    let none = "\nAvailable ml-containers are:\n\nCONTAINER  FRAMEWORK  STATUS\n\n";
    assert_eq!(host.as_user("carol").run("mlc-list", &[]), done(none, ""));

    let stats = host.run("mlc-stats", &[]).ok();
    let expected = "\nRunning ml-containers are:\n\n\
                    CONTAINER CPU % MEM USAGE / LIMIT\n\
                    [tools] N N / N\n\n";
    assert_eq!(timeless(&stats), expected);
}

fn created_by(host: &TestHost, user: &str, name: &str) {
    let args = [name, "ds01-base"];
    host.as_user(user).run("container-create", &args).ok();
}

#[test]
fn a_container_is_started_opened_stopped_and_removed() {
    let host = TestHost::new();
    created(&host, "thesis");
    let started = "[thesis] container started. Open a shell in it with: mlc-open thesis\n";
    assert_eq!(host.run("mlc-start", &["thesis"]), done(started, ""));
    let already = "[thesis] container already running\n";
    assert_eq!(host.run("mlc-start", &["thesis"]), done(already, ""));

    let open = |script: &str| {
        host.as_user("alice")
            .stdin(script)
            .run("mlc-open", &["thesis"])
    };
    let said = outcome(7, "/workspace alice\n", "");
    assert_eq!(open("echo $PWD $(whoami); exit 7"), said);

    let runs = "mlc-remove: container thesis is running\n\
                hint: stop it first, or use container-remove thesis --stop\n";
    assert_eq!(host.run("mlc-remove", &["thesis", "-Y"]), failed(4, runs));
    let stopped = "[thesis] container stopped\n";
    assert_eq!(host.run("mlc-stop", &["thesis", "-Y"]), done(stopped, ""));
    let not = "[thesis] container not running\n";
    assert_eq!(host.run("mlc-stop", &["thesis"]), done(not, ""));

    // Opened while it is stopped, it starts.
    assert_eq!(open("echo up"), done("up\n", ""));
    host.run("mlc-stop", &["thesis"]).ok();
    let removed = "[thesis] container removed\n";
    assert_eq!(host.run("mlc-remove", &["thesis", "-Y"]), done(removed, ""));
    for command in ["mlc-start", "mlc-open", "mlc-stop", "mlc-remove"] {
        let none = format!(
            "{command}: you have no container thesis\n\
             hint: see what you have with container-list --all\n"
        );
        assert_eq!(host.run(command, &["thesis"]), failed(3, &none));
    }
}

#[test]
fn on_a_terminal_what_cannot_be_taken_back_is_asked_about() {
    let host = TestHost::new();
    running(&host, "thesis");
    let ask = |command: &str, args: &[&str], keys: &str, status| {
        let mut asked = host.as_user("alice").pty(command, args);
        asked.expect("[y/N] ");
        asked.send(keys);
        assert_eq!(asked.wait(), Some(status), "{}", asked.output());
    };
    ask("mlc-stop", &["thesis"], "n\r", 1);
    assert_eq!(state(&host, "thesis"), "running");
    ask("mlc-stop", &["thesis"], "y\r", 0);
    ask("mlc-remove", &["thesis"], "\x03", 130);
    ask("mlc-remove", &["thesis"], "n\r", 1);
    assert_eq!(state(&host, "thesis"), "exited");
    let mut opened = host.as_user("alice").pty("mlc-open", &[]);
    opened.expect("Open which container?");
    opened.send("\r");
    opened.expect("[thesis] container started\r\n");
    opened.expect("alice@thesis:/workspace$ ");
    opened.send("exit\r");
    assert_eq!(opened.wait(), Some(0));
    assert_eq!(state(&host, "thesis"), "running", "it runs on");
    let forced = host
        .as_user("alice")
        .pty("mlc-stop", &["thesis", "-Y"])
        .rest();
    assert_eq!(forced, (Some(0), "[thesis] container stopped\r\n".into()));
    let forced = host
        .as_user("alice")
        .pty("mlc-remove", &["thesis", "--force"])
        .rest();
    assert_eq!(forced, (Some(0), "[thesis] container removed\r\n".into()));
}
