//! Commands in two words: `container list` is `container-list`.

use ds01_testkit::{Outcome, TestHost};

use crate::support::expect::{created, done, failed, state};

#[test]
fn two_words_are_the_command_of_one() {
    let host = TestHost::new();
    created(&host, "thesis");
    let list = host.run("container-list", &["--all", "--format=simple"]);
    for word in ["list", "ls", "ps"] {
        let args = [word, "--all", "--format=simple"];
        assert_eq!(host.run("container", &args), list, "{word}");
    }
    for (family, args, command, rest) in [
        (
            "container",
            &["stop", "--frob"][..],
            "container-stop",
            &["--frob"][..],
        ),
        (
            "container",
            &["attach", "thesis"],
            "container-attach",
            &["thesis"],
        ),
        (
            "container",
            &["create", "--help"],
            "container-create",
            &["--help"],
        ),
        ("gpu", &["status"], "gpu-status", &[]),
        ("gpu", &["queue", "list"], "gpu-queue", &["list"]),
        (
            "check",
            &["limits", "--format=json"],
            "check-limits",
            &["--format=json"],
        ),
        ("image", &["ls", "-a"], "image-list", &["-a"]),
        ("image", &["create", "none"], "image-create", &["none"]),
        ("image", &["rm", "none"], "image-delete", &["none"]),
        ("image", &["update", "none"], "image-update", &["none"]),
    ] {
        assert_eq!(
            ageless(host.run(family, args)),
            ageless(host.run(command, rest)),
            "{args:?}"
        );
    }
    assert_eq!(
        host.run("container", &["rm", "thesis"]),
        done("", "thesis removed, GPU 0 is free\n"),
        "an alias of remove"
    );
}

/// Between two runs what they list may be a second older.
fn ageless(outcome: Outcome) -> Outcome {
    let line = |line: &str| match line.strip_suffix(" ago").and_then(|rest| rest.rfind("  ")) {
        Some(at) => format!("{}  AGE\n", &line[..at]),
        None => format!("{line}\n"),
    };
    Outcome {
        stdout: outcome.stdout.lines().map(line).collect(),
        ..outcome
    }
}

#[test]
fn a_word_that_is_none_suggests_the_nearest() {
    let host = TestHost::new();
    for (family, word, meant) in [
        ("container", "lsit", "; did you mean 'list'?"),
        ("container", "stpo", "; did you mean 'stop'?"),
        ("container", "stat", "; did you mean 'stats'?"),
        ("container", "frobnicate", ""),
        ("container", "../sh", ""),
        ("gpu", "statsu", "; did you mean 'status'?"),
    ] {
        let expected = format!(
            "{family}: no command '{family} {word}'{meant}\n\
             hint: see what there is with {family} --help\n"
        );
        assert_eq!(host.run(family, &[word]), failed(2, &expected));
    }
    let help = host.run("container-list", &["--help"]);
    assert_eq!(host.run("container", &["help", "list"]), help);
    let all = host.run("container", &["--help"]);
    assert_eq!(host.run("container", &["help"]), all);
    let guided = host.run("gpu", &["--guided", "status"]);
    assert!(guided.stderr.contains("guide: "), "{guided:?}");
    let missing = "gpu: missing argument <command>\n\
                   hint: without a terminal it must be given: see gpu --help\n";
    assert_eq!(host.run("gpu", &[]), failed(2, missing));
}

#[test]
fn alone_on_a_terminal_it_is_a_menu_of_what_there_is() {
    let host = TestHost::new();
    created(&host, "thesis");
    let menu = |family: &str| host.as_user("alice").pty(family, &[]);
    let mut container = menu("container");
    container.expect("What shall be done?");
    container.send("start\r");
    container.expect("Start which container?");
    container.expect("thesis");
    container.send("1\r");
    assert_eq!(container.wait(), Some(0), "{}", container.output());
    assert_eq!(state(&host, "thesis"), "running");

    // Ctrl-D is the end of input, whether it comes before the menu reads, first, after a letter, or
    // with Enter behind it.
    for keys in ["\x1b", "\x04", "l\x04", "\x04\r"] {
        let mut left = menu("image");
        left.expect("What shall be done?");
        left.send(keys);
        left.expect("image: nothing was chosen\r\n");
        assert_eq!(left.wait(), Some(1), "{keys:?}");
    }
}

#[test]
fn a_family_lists_its_commands_in_its_help() {
    let host = TestHost::new();
    let help = host.run("container", &["--help"]).ok();
    for line in [
        "Usage: container [options] [<command>...]",
        "  create ",
        "  list ",
        "  unpause ",
    ] {
        assert!(help.contains(line), "{line}: {help}");
    }
}
