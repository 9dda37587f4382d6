//! What all commands have in common: help, mistakes, pipes, menus.

mod help;

use std::{fs, path::Path};

use ds01_testkit::{Signal, TestHost};

use crate::support::expect::{created, done, failed, running, state};

/// Those that act on a container that is named or chosen.
const ON_A_CONTAINER: [&str; 13] = [
    "container-attach",
    "container-extend",
    "container-pause",
    "container-remove",
    "container-retire",
    "container-run",
    "container-start",
    "container-stop",
    "container-unpause",
    "mlc-open",
    "mlc-remove",
    "mlc-start",
    "mlc-stop",
];

/// Every command: one file of bin/ each. But for `ds01-docker`: every argument that it is given is
/// Docker's, `--help` and mistakes included, so that nothing that docker can do is lost behind it.
fn commands() -> Vec<String> {
    let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("bin");
    let files = fs::read_dir(bin).unwrap().map(|file| file.unwrap().path());
    let mut names: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| file.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let manifest = include_str!("../Cargo.toml").lines();
    let paths = manifest.filter_map(|line| line.strip_prefix("path = \"bin/"));
    let mut listed: Vec<_> = paths
        .filter_map(|path| path.strip_suffix(".rs\""))
        .collect();
    listed.sort_unstable();
    assert_eq!(names, listed);
    names.retain(|name| name != "ds01-docker");
    names
}

#[test]
fn mistakes_on_the_line_are_usage_errors_that_point_to_the_help() {
    let host = TestHost::new();
    for command in commands() {
        let wrong = |mistake: &str| {
            failed(
                2,
                &format!("{command}: {mistake}\nTry '{command} --help' for more information.\n"),
            )
        };
        let unknown = wrong("unrecognized option '--frobnicate'");
        assert_eq!(host.run(&command, &["--frobnicate"]), unknown);
        assert_eq!(
            host.run(&command, &["-%"]),
            wrong("unrecognized option '-%'")
        );
        let meant = "unrecognized option '--hepl'; did you mean '--help'?";
        assert_eq!(host.run(&command, &["--hepl"]), wrong(meant));
        let not_utf8 = host.run(
            "sh",
            &["-c", "exec \"$0\" \"$(printf 'a\\377')\"", &command],
        );
        assert_eq!(not_utf8, wrong(r#"argument is not UTF-8: "a\xFF""#));
    }
    let missing = "container-create: missing argument <name>\n\
                   hint: without a terminal it must be given: see container-create --help\n";
    assert_eq!(host.run("container-create", &[]), failed(2, missing));
    let reason = "expected a number of GPUs, or their type and number: 2, full:1 for a whole GPU, \
                  1g.10gb:1 for a MIG device";
    for value in ["two", "-1", "99999999999"] {
        let wrong = format!(
            "container-create: invalid value '{value}' for --gpu: {reason}\n\
             Try 'container-create --help' for more information.\n"
        );
        for form in [&[&*format!("--gpu={value}")][..], &["--gpu", value]] {
            let args = [&["thesis"], form].concat();
            assert_eq!(host.run("container-create", &args), failed(2, &wrong));
        }
    }
}

#[test]
fn without_a_terminal_a_name_must_be_given() {
    let host = TestHost::new();
    host.engine().kill();
    for command in ON_A_CONTAINER {
        let missing = format!(
            "{command}: missing argument <container>\n\
             hint: without a terminal it must be given: see {command} --help\n"
        );
        let refused = host.run(command, &[]);
        assert_eq!(
            refused,
            failed(2, &missing),
            "at once, whatever else is wrong"
        );
    }
}

#[test]
fn on_a_terminal_one_chooses_from_what_fits() {
    let host = TestHost::with_gpus(2);
    for name in ["beta", "alpha", "gamma"] {
        host.run("container-create", &[name, "ds01-base", "--cpu-only"])
            .ok();
    }
    host.run("container-start", &["alpha"]).ok();
    host.run("container-start", &["gamma"]).ok();
    let menu = |command: &str| host.as_user("alice").pty(command, &[]);

    let mut attach = menu("container-attach");
    attach.expect("Attach to which container?");
    attach.expect("gamma");
    assert!(
        !attach.output().contains("beta"),
        "only running ones: {}",
        attach.output()
    );
    attach.send("\x1b[B\r");
    attach.expect("alice@gamma:/workspace$ ");
    attach.send("\x04");
    assert_eq!(attach.wait(), Some(0));
    let cooked = attach.modes();

    let mut start = menu("container-start");
    start.expect("Start which container?");
    start.expect("beta");
    start.send("\r");
    assert_eq!(start.wait(), Some(0));
    assert_eq!(state(&host, "beta"), "running");

    for (keys, status) in [("\x1b", 1), ("\x04", 1), ("\x03", 130)] {
        let mut stop = menu("container-stop");
        stop.expect("Stop which container?");
        stop.expect("gamma");
        // Until it reads keys one by one, a key may come too early to be one.
        while keys == "\x1b" && stop.modes() == cooked {
            std::thread::yield_now();
        }
        stop.send(keys);
        assert_eq!(stop.wait(), Some(status), "{}", stop.output());
        assert_eq!(stop.modes(), cooked);
    }
    assert_eq!(state(&host, "alpha"), "running");
    // It may come while the menu is drawn: it is not lost then.
    for _ in 0..10 {
        let mut stop = menu("container-stop");
        stop.expect("Stop which");
        stop.signal(Signal::SIGINT);
        assert_eq!(stop.wait(), Some(130), "{}", stop.output());
        assert_eq!(stop.modes(), cooked);
    }

    let dumb = ["-c", "TERM=dumb exec container-pause"];
    let mut numbered = host.as_user("alice").pty("sh", &dumb);
    numbered.expect("Choice [1-3]: ");
    numbered.send("2\r");
    assert_eq!(numbered.wait(), Some(0), "{}", numbered.output());
    assert_eq!(state(&host, "beta"), "paused");

    let bob = || host.as_user("bob");
    let mut nothing = bob().pty("container-attach", &[]);
    nothing.expect("container-attach: you have no container that is running\r\n");
    nothing.expect("hint: see what you have with container-list --all\r\n");
    assert_eq!(nothing.wait(), Some(3));

    // At 40 columns the name is whole, and what it is chosen by is not told again.
    let long = "a-name-that-has-33-characters-all";
    bob()
        .run("container-create", &[long, "ds01-base", "--cpu-only"])
        .ok();
    let mut narrow = bob().pty("env", &["COLUMNS=40", "container-start"]);
    narrow.expect(&format!("1) {long}"));
    narrow.send("\r");
    assert_eq!(narrow.wait(), Some(0));
    assert!(!narrow.output().contains("created"), "{}", narrow.output());
    bob().run("container-stop", &[long, "--timeout=0"]).ok();
    let mut wide = bob().pty("env", &["COLUMNS=80", "container-start"]);
    wide.expect(&format!("{long}  stopped  no GPU"));
    wide.send("\r");
    let (status, chosen) = wide.rest();
    assert_eq!(status, Some(0));
    let last = chosen.rsplit("Start which container?").next().unwrap();
    assert!(last.contains(long) && !last.contains("no GPU"), "{last:?}");
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_a_closed_pipe_is_none() {
    let host = TestHost::new();
    created(&host, "thesis");
    let sh = |script: &str| host.run("bash", &["-c", script]);
    let full = "cannot write to standard output: no space left on device\n";
    for command in ["container-list", "gpu-status", "check-limits"] {
        let expected = failed(1, &format!("{command}: {full}"));
        assert_eq!(sh(&format!("{command} >/dev/full")), expected);
        let closed = format!("{command} --info | true; echo ${{PIPESTATUS[0]}}");
        assert_eq!(sh(&closed), done("0\n", ""));
        assert_eq!(sh(&format!("{command} <&-")).status, Some(0));
        assert_eq!(sh(&format!("{command} <&- >&- 2>&-")), done("", ""));
    }
    let args = "container-create second ds01-base --cpu-only";
    let expected = failed(1, &format!("container-create: {full}"));
    assert_eq!(sh(&format!("{args} >/dev/full")), expected);
    let list = host
        .run("container-list", &["--all", "--format=simple"])
        .ok();
    assert_eq!(list.lines().count(), 2, "it was made all the same");
}

#[test]
fn no_command_needs_a_terminal_or_marks_what_it_prints_elsewhere() {
    let host = TestHost::new();
    created(&host, "thesis");
    for command in commands() {
        for script in [
            "\"$0\" <&-",
            "\"$0\" </dev/null | cat; exit ${PIPESTATUS[0]}",
        ] {
            let ended = host.run("bash", &["-c", script, &command]);
            let all = format!("{}{}", ended.stdout, ended.stderr);
            assert!(matches!(ended.status, Some(0..=8)), "{command}: {ended:?}");
            assert!(!all.contains('\x1b'), "{command}: {all}");
            assert!(!all.contains("[y/N]"), "{command}: {all}");
            assert_ne!(all, "", "{command} says something");
        }
    }
}

#[test]
fn on_a_narrow_or_plain_terminal_all_can_be_read() {
    let host = TestHost::new();
    created(&host, "a-container-with-quite-a-long-name");
    let on = |name: &str, value: &str, command: &str, option: &str| {
        let alice = host.as_user("alice").env(name, value);
        let (status, shown) = alice.pty(command, &[option]).rest();
        assert!(matches!(status, Some(0..=2)), "{command} {option}");
        shown
    };
    for command in commands() {
        for option in ["--help", "--info", "--concepts", "--frobnicate"] {
            for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
                let text = on(name, value, &command, option);
                assert!(!text.contains('\x1b'), "{name} {command} {option}: {text}");
            }
        }
        let concepts = on("COLUMNS", "40", &command, "--concepts");
        let plain = concepts.replace("\x1b[1m", "").replace("\x1b[0m", "");
        for line in plain.lines() {
            assert!(line.chars().count() <= 40, "{command}: {line}");
        }
    }
    let list = on("COLUMNS", "40", "container-list", "--all");
    assert!(list.contains('…'), "{list}");
    for line in list.lines().skip(1) {
        assert!(line.chars().count() <= 40, "{line}");
    }
}

#[test]
fn what_a_command_prints_as_json_is_what_its_page_says() {
    let host = TestHost::new();
    running(&host, "thesis");
    host.docker(&["tag", "ds01-base", "ds01-20001/thesis"]).ok();
    let limits = host.limits_text();
    host.limits_yaml(&format!(
        "{limits}access_control: {{admin_users: [dave]}}\n"
    ));
    let reserve = ["add", "--for=alice", "--amount=1", "--until=1h"];
    host.as_user("dave").run("gpu-reserve", &reserve).ok();
    let mut seen = Vec::new();
    for command in commands() {
        let page = host.run(&command, &["--info"]).ok();
        if !page.contains("--format=table|json|simple") {
            continue;
        }
        let json = host.run(&command, &["--format=json"]);
        // Root's: what it prints is tested where it is.
        if json.status == Some(7) {
            continue;
        }
        let value: serde_json::Value = serde_json::from_str(&json.ok()).unwrap();
        let fields = value.get(0).unwrap_or(&value).as_object().unwrap();
        let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
        let (_, described) = page.split_once("--format=json").unwrap();
        for field in fields.keys() {
            let words = described.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            let told = words.filter(|word| word == field).count();
            assert!(told > 0, "{command}: {field} is not in its page");
        }
        seen.push(command);
    }
    assert!(seen.len() >= 6, "{seen:?}");
}

#[test]
fn a_shell_without_standard_input_ends_at_once() {
    let host = TestHost::new();
    running(&host, "thesis");
    assert_eq!(
        host.run("sh", &["-c", "container-attach thesis <&-"]),
        done("", "")
    );
    let apart = "echo 'echo out; echo err >&2' | container-attach thesis 2>&- ; echo $?";
    assert_eq!(host.run("sh", &["-c", apart]), done("out\n0\n", ""));
}

#[test]
fn colour_and_width_are_for_terminals() {
    let host = TestHost::new();
    let heading = "NAME  STATUS  IMAGE  GPU  UPTIME";
    let shown = |name: &str, value: &str| {
        let alice = host.as_user("alice").env(name, value);
        let mut list = alice.pty("container-list", &[]);
        let line = list.expect("\n");
        assert_eq!(list.wait(), Some(0));
        line
    };
    assert_eq!(shown("X", ""), format!("\x1b[1m{heading}\x1b[0m\r\n"));
    assert_eq!(shown("NO_COLOR", "1"), format!("{heading}\r\n"));
    assert_eq!(
        host.run("container-list", &[]),
        done(&format!("{heading}\n"), "")
    );
    assert!(shown("COLUMNS", "20").contains('…'), "cut to fit");
}

#[test]
fn guided_explains_each_step_beside_the_result() {
    let host = TestHost::new();
    let guided = host.run("container-create", &["thesis", "ds01-base", "--guided"]);
    assert_eq!(
        (guided.status, guided.stdout.as_str()),
        (Some(0), "thesis with GPU 0\n")
    );
    assert_eq!(guided.stderr.lines().count(), 3, "{}", guided.stderr);
    let why = "\nguide: the choice is GPU 0: the first of the smallest that were free\n";
    assert!(guided.stderr.contains(why), "{}", guided.stderr);
    assert!(guided.stderr.contains("docker create"), "{}", guided.stderr);
}

#[test]
fn text_from_elsewhere_does_not_reach_the_terminal_raw() {
    let host = TestHost::new();
    for odd in ["bad\x1b[31mname", "Capitals", "../containers/json"] {
        let refused = host.run("container-create", &["thesis", odd]);
        let shown = odd.replace('\x1b', "\\u{1b}");
        let none = format!(
            "container-create: there is no image {shown} on this host\n\
             hint: choose from image-list --all\n"
        );
        assert_eq!(refused, failed(3, &none));
    }
}
