//! What a shell completes, in bash, zsh and fish: options, and the names of one's own things.

use std::{fs, path::Path};

use ds01_testkit::{Pty, TestHost};

use crate::support::expect::{created, done, state};

/// A folder with the completions, which every user can read.
fn completions(host: &TestHost) -> String {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/completion");
    let to = host.root().join("completion");
    fs::create_dir(&to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    to.display().to_string()
}

/// A host with a stopped and a running container of alice's, one of bob's and a project.
fn host() -> TestHost {
    let host = TestHost::new();
    created(&host, "thesis");
    let other = ["theirs", "ds01-base", "--cpu-only"];
    host.as_user("bob").run("container-create", &other).ok();
    fs::create_dir_all(host.home("alice").join("workspace/thermal")).unwrap();
    host
}

#[test]
fn a_command_tells_what_can_stand_at_the_cursor() {
    let host = host();
    let complete = |command: &str, words: &[&str]| {
        let args = [&["--complete"], words].concat();
        host.run(command, &args)
    };
    let thesis = "thesis\tcreated, ds01-base\n";
    for command in [
        "container-attach",
        "container-remove",
        "container-run",
        "container-start",
        "container-stop",
    ] {
        assert_eq!(complete(command, &["th"]), done(thesis, ""), "{command}");
    }
    assert_eq!(complete("container-remove", &["thesis", ""]), done("", ""));
    assert_eq!(complete("container", &["stop", "th"]), done(thesis, ""));
    assert_eq!(
        complete("container-create", &["the"]),
        done("thermal\tproject\nthesis\tproject\n", "")
    );
    assert_eq!(
        complete("container-create", &["x", "--image=ds01-b"]),
        done(
            "--image=ds01-base:latest\tshared\n--image=ds01-busybox:latest\tshared\n",
            ""
        )
    );
    let own = "ds01-20001/thesis";
    for name in [format!("{own}:latest"), format!("{own}:e2")] {
        host.docker(&["tag", "ds01-base", &name]).ok();
    }
    assert_eq!(
        complete("image-delete", &[""]),
        done(&format!("thesis:e2\t{own}:e2\nthesis\t{own}:latest\n"), "")
    );
    assert_eq!(
        complete("container-list", &["--format=s"]),
        done("--format=simple\t\n", "")
    );
    host.run("container-remove", &["thesis"]).ok();
    let join = ["join", "later", "--format=simple"];
    let ticket = host.run("gpu-queue", &join).ok();
    let ticket = ticket.trim_end();
    assert_eq!(
        complete("gpu-queue", &["leave", ""]),
        done(&format!("{ticket}\tlater\nlater\tticket {ticket}\n"), "")
    );
    assert_eq!(
        complete("gpu-queue", &["join", "the"]),
        done("thermal\tproject\nthesis\tproject\n", "")
    );
    assert_eq!(complete("gpu-queue", &["status", ""]), done("", ""));
    let gpu = "status\tshow every GPU and MIG device, what it does, and who holds it\n";
    assert_eq!(complete("gpu", &["st"]), done(gpu, ""));
    for words in [&["frobnicate", ""][..], &["--frob"], &[]] {
        assert_eq!(complete("container", words), done("", ""), "{words:?}");
    }
    host.engine().kill();
    assert_eq!(
        complete("container-stop", &["th"]),
        done("", ""),
        "a shell has no place for an error"
    );
}

/// Completes what is common to all shells. What they make of the line differs; what it then does
/// does not.
fn completes(host: &TestHost, shell: &mut Pty) {
    shell.send("container-list --all --format=si\t\r");
    shell.expect("thesis\tcreated");
    shell.send("container start th\t\r");
    shell.send("container-pause the\t; echo pau''sed\r");
    shell.expect("paused\r\n");
    assert_eq!(state(host, "thesis"), "paused");
    shell.send("container-create x ds01-base --work\t/etc/hostn\t\r");
    shell.expect("cannot mount /etc/hostname: ");
    shell.send("container-create x ds01-base --workspace /etc/hostn\t\r");
    shell.expect("cannot mount /etc/hostname: ");
    shell.send("exit\r");
    shell.wait();
}

/// What has the name of a command but is none of ours does not run while it is typed; files are
/// completed after it.
///
/// `function` makes a function of the shell's own.
fn completes_without_running(host: &TestHost, shell: &mut Pty, function: &str) {
    let script = "mkdir there && cd there && printf '#!/bin/sh\\ntouch ran\\n' >check && \
                  chmod +x check && cp check container && mkdir folder && touch folder/file-of-mine";
    host.run("sh", &["-c", script]).ok();
    shell.send("cd ~/there; echo the''re\r");
    shell.expect("there\r\n");
    for command in ["./check", "./container", "~/there/check", "$PWD/check"] {
        shell.send(format!("{command} folder/fi\t"));
        shell.expect("le-of-mine");
        // Ctrl-U: the line goes.
        shell.send("\x15");
    }
    shell.send(format!("{function}; echo ma''de\r"));
    shell.expect("made\r\n");
    shell.send("gpu sta\t");
    shell.expect("tus");
    shell.send("\x15echo do''ne\r");
    shell.expect("done\r\n");
    let ran = host.home("alice").join("there/ran");
    assert!(!ran.exists(), "it was typed, and not entered");
}

#[test]
fn bash_completes() {
    let host = host();
    let folder = completions(&host);
    let alice = host.as_user("alice");
    let mut shell = alice.pty("bash", &["--norc", "--noprofile", "-i"]);
    shell.send(format!("source {folder}/ds01.bash; echo rea''dy\r"));
    shell.expect("ready\r\n");
    shell.send("container st\t\t");
    shell.expect("start  stats  stop");
    shell.send("\x15");
    shell.send("container-create x --image=ds01-base:la\t");
    shell.expect("ds01-base:latest ");
    shell.send("\x15");
    completes_without_running(&host, &mut shell, "function gpu { touch ran; }");
    completes(&host, &mut shell);
}

#[test]
fn zsh_completes() {
    let host = host();
    let folder = completions(&host);
    let alice = host.as_user("alice");
    let mut shell = alice.pty("zsh", &["-f", "-i"]);
    shell.send(format!(
        "fpath=({folder} $fpath); autoload -U compinit; compinit -u -D; echo rea''dy\r"
    ));
    shell.expect("ready\r\n");
    shell.send("container st\t\t");
    shell.expect("start  start a created or stopped container");
    shell.send("\x15");
    completes_without_running(&host, &mut shell, "function gpu { touch ran; }");
    completes(&host, &mut shell);
}

#[test]
fn fish_completes() {
    let host = host();
    let folder = completions(&host);
    let alice = host.as_user("alice");
    let mut shell = alice.pty("fish", &["--no-config", "-i"]);
    shell.send(format!("source {folder}/ds01.fish; echo rea''dy\r"));
    shell.expect("ready\r\n");
    completes_without_running(&host, &mut shell, "function gpu; touch ran; end");
    completes(&host, &mut shell);
}
