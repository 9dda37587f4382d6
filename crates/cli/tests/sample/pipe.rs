//! In pipes and files, where nobody can be asked.

use std::{
    fs::File,
    io::{Read, Write},
    process::{Command, Output, Stdio},
};

use crate::sample;

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    told(&sample(args).output().unwrap())
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn expect(status: i32, stdout: &str, stderr: &str) -> (Option<i32>, String, String) {
    (Some(status), stdout.to_owned(), stderr.to_owned())
}

#[test]
fn the_help_is_one_screen_with_examples_first() {
    let help = "\
Usage: sample [options] [<container>]
Create a container with GPUs from your quota.

Examples:
  sample thesis
  sample thesis --image=pytorch:2.8 --gpu=2

Arguments:
  <container>             name of the container, unique among yours

Options:
      --image=<name>      image to make it from, of a project or of this
                          machine; without one, the image of the project of that
                          name
  -g, --gpu=<count>       GPUs or MIG devices to give it (default 1)
      --format=table|json|simple
                          how to print what there is (default table)
  -w, --word=<word>       words to print, one a line
  -a, --ask               ask before doing it
  -f, --fail              fail, once for every time it is given
      --forever           print lines until nobody reads them
  -h, --help              show the short help, examples first

More: sample --info is the full reference; --concepts explains the ideas,
--guided each step.
";
    assert_eq!(run(&["--help"]), expect(0, help, ""));
    assert_eq!(run(&["--nope", "-h"]), expect(0, help, ""));
}

#[test]
fn the_reference_has_every_status_and_the_commands_own_words_for_it() {
    let (status, info, _) = run(&["--info"]);
    assert_eq!(status, Some(0));
    let statuses: Vec<_> = info
        .lines()
        .skip_while(|line| *line != "Exit status:")
        .skip(1)
        .collect();
    assert_eq!(
        statuses[1],
        "  1                       it failed, or you thought better of it"
    );
    assert_eq!(
        statuses[2],
        "  2                       the command line or a configuration file is wrong"
    );
    assert_eq!(
        statuses[3],
        "  5                       your quota or another limit would be passed"
    );
    for part in [
        "DS01_CONFIG",
        "NO_COLOR",
        "~/workspace",
        "gpu-status(1)",
        "--guided",
        "held from now on",
    ] {
        assert!(info.contains(part), "{part}");
    }
    assert!(!info.contains("--status"), "a hidden option is shown");
}

#[test]
fn pages_fit_the_width_they_are_told() {
    for (columns, longest) in [("10", 40), ("60", 60), ("500", 120)] {
        let output = sample(&["--concepts"])
            .env("COLUMNS", columns)
            .output()
            .unwrap();
        let (_, text, _) = told(&output);
        let prose = text.lines().filter(|line| !line.starts_with("  "));
        let width = prose.map(|line| line.chars().count()).max().unwrap();
        assert!(
            width <= longest && width > longest - 20,
            "{width} columns of {columns}"
        );
    }
}

#[test]
fn the_manual_page_satisfies_mandoc() {
    let (status, page, _) = run(&["--generate=man"]);
    assert_eq!(status, Some(0));
    assert!(page.contains(".SH NAME\nsample \\- create a container with GPUs from your quota\n"));
    let Ok(mut lint) = Command::new("mandoc")
        .args(["-T", "lint", "-W", "all"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    else {
        return;
    };
    lint.stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let output = lint.wait_with_output().unwrap();
    assert_eq!(told(&output), expect(0, "", ""));
}

#[test]
fn the_declarations_are_there_as_json() {
    let (status, json, _) = run(&["--generate=json"]);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(status, Some(0));
    assert_eq!(value["usage"], "sample [options] [<container>]");
    let flags: Vec<_> = value["flags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flag| &flag["long"])
        .collect();
    assert!(
        flags.iter().any(|long| *long == "--status")
            && flags.iter().any(|long| *long == "--guided")
    );
}

#[test]
fn a_wrong_command_line_is_refused_in_two_lines() {
    let said = |mistake: &str| {
        expect(
            2,
            "",
            &format!("sample: {mistake}\nTry 'sample --help' for more information.\n"),
        )
    };
    assert_eq!(
        run(&["x", "--gpus"]),
        said("unrecognized option '--gpus'; did you mean '--gpu'?")
    );
    assert_eq!(
        run(&["a b"]),
        said("invalid argument 'a b': a name has only letters a-z, digits, '-' and '_', not ' '")
    );
    assert_eq!(
        run(&["x", "\x1b[2J\n"]),
        said("unexpected argument '\\u{1b}[2J\\n'")
    );
    assert_eq!(
        run(&["--generate=xml"]),
        said("--generate makes man, json or index")
    );
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"caf\xe9");
    let output = sample(&[]).arg(odd).output().unwrap();
    assert_eq!(told(&output), said("argument is not UTF-8: \"caf\\xE9\""));
}

#[test]
fn results_have_the_form_that_was_asked_for() {
    let stderr = "sample: warning: no image was named\n";
    let table = "NAME    STATUS        IMAGE\n\
                 thesis  running       pytorch:2.8\n\
                 名前    exited\\u{9b}  a/very/long/name/of/an/image:latest\n";
    let simple =
        "thesis\trunning\tpytorch:2.8\n名前\texited\\u{9b}\ta/very/long/name/of/an/image:latest\n";
    assert_eq!(run(&["x"]), expect(0, table, stderr));
    assert_eq!(
        run(&["x", "--format=simple", "--image=i"]),
        expect(0, simple, "")
    );
    let (_, json, _) = run(&["x", "--format", "json"]);
    assert!(
        json.contains("\"exited\\u009b\"") && json.contains("\"名前\""),
        "{json}"
    );
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value[1][1], "exited\u{9b}");
}

#[test]
fn each_failure_is_told_and_the_first_decides_the_status() {
    let stderr = "sample: no container 1\\u{1b}[2J\nhint: see container-list\n\
                  sample: no container 2\\u{1b}[2J\nhint: see container-list\n";
    assert_eq!(run(&["x", "-ff"]), expect(3, "", stderr));
}

#[test]
fn a_status_that_is_not_ours_is_passed_on() {
    assert_eq!(run(&["--status=77"]), expect(77, "going\n", ""));
}

#[test]
fn steps_are_explained_only_under_guided() {
    let explained = "guide: first the container is chosen, then it is shown\n";
    assert_eq!(
        run(&["--status=0", "--guided"]),
        expect(0, "going\n", explained)
    );
    assert_eq!(run(&["--status=0"]), expect(0, "going\n", ""));
}

#[test]
fn nothing_is_asked_without_a_terminal() {
    let missing = "sample: missing argument <container>\n\
                   hint: without a terminal it must be given: see sample --help\n";
    assert_eq!(run(&[]), expect(2, "", missing));
    let unconfirmed = "sample: this needs a confirmation, and there is no terminal to ask on\n\
                       hint: --force answers yes\n";
    assert_eq!(run(&["x", "--ask"]), expect(2, "", unconfirmed));
}

#[test]
fn a_full_disk_is_a_failure_told_once() {
    let stderr = "sample: cannot write to standard output: no space left on device\n";
    for args in [
        &["x", "--image=i"][..],
        &["--help"],
        &["--status=0"],
        &["--forever"],
        &["--generate=man"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = sample(args).stdout(full).output().unwrap();
        assert_eq!(told(&output), expect(1, "", stderr), "{args:?}");
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = sample(&["-wx", "-f"]).stdout(full).output().unwrap();
    let failed = "sample: no container 1\\u{1b}[2J\nhint: see container-list\n";
    assert_eq!(told(&output), expect(3, "", &(failed.to_owned() + stderr)));
}

#[test]
fn a_closed_pipe_ends_the_command_quietly() {
    for args in [&["x", "--image=i"][..], &["--help"], &["--forever"]] {
        let mut child = sample(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        assert_eq!(
            told(&child.wait_with_output().unwrap()),
            expect(0, "", ""),
            "{args:?}"
        );
    }
}

#[test]
fn results_and_remarks_keep_their_order_in_one_file() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = sample(&["-wfirst", "-f"]);
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    command.status().unwrap();
    drop(command);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("first\nsample: no container 1"), "{text}");
}
