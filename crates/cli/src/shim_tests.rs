use argh::{ArgsInfo, FromArgs};

use super::*;
use crate::Format;

/// Do something to a container.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
struct Args {
    /// name of the container
    #[argh(positional, arg_name = "container")]
    name: String,

    /// image to make it from
    #[argh(positional)]
    image: Option<String>,

    /// number of devices
    #[argh(option, default = "1")]
    gpu: u32,

    /// framework to start from
    #[argh(option, short = 'f')]
    framework: Option<String>,

    /// form of the output
    #[argh(option, default = "Format::Table")]
    format: Format,

    /// package to add
    #[argh(option)]
    add: Vec<String>,

    /// all of them
    #[argh(switch, short = 'a')]
    all: bool,

    /// more words, once for every time it is given
    #[argh(switch, short = 'v')]
    verbose: u8,

    /// not for users
    #[argh(switch, hidden_help)]
    internal: bool,
}

/// Hand the rest to another command.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
struct Dispatch {
    /// the command and what it is given
    #[argh(positional, greedy)]
    words: Vec<String>,
}

/// List what there is.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
struct Many {
    /// what must be said
    #[argh(option)]
    state: String,

    /// what to remove
    #[argh(positional)]
    names: Vec<String>,
}

fn parse<T: FromArgs + ArgsInfo>(line: &str) -> Result<T, String> {
    let info = T::get_args_info();
    match read(line.split_whitespace().map(str::to_owned).collect(), &info)? {
        Invocation::Page(ask) => Err(format!("page {ask:?}")),
        Invocation::Run(line) => {
            let parsed = T::from_args(&["cmd"], &line.for_argh());
            parsed.map_err(|refused| line.mistake(&refused.output))
        }
    }
}

fn plain() -> Args {
    Args {
        name: "c".into(),
        image: None,
        gpu: 1,
        framework: None,
        format: Format::Table,
        add: Vec::new(),
        all: false,
        verbose: 0,
        internal: false,
    }
}

#[test]
fn every_gnu_form_is_understood() {
    let some = |text: &str| Some(text.to_owned());
    for (line, args) in [
        ("c", plain()),
        ("--gpu=2 c", Args { gpu: 2, ..plain() }),
        ("c --gpu 2", Args { gpu: 2, ..plain() }),
        ("--gpu 1 c --gpu=3", Args { gpu: 3, ..plain() }),
        (
            "-f jax c",
            Args {
                framework: some("jax"),
                ..plain()
            },
        ),
        (
            "-fjax c",
            Args {
                framework: some("jax"),
                ..plain()
            },
        ),
        (
            "-f=jax c",
            Args {
                framework: some("jax"),
                ..plain()
            },
        ),
        (
            "c -avf jax",
            Args {
                all: true,
                verbose: 1,
                framework: some("jax"),
                ..plain()
            },
        ),
        (
            "c -vavfjax",
            Args {
                all: true,
                verbose: 2,
                framework: some("jax"),
                ..plain()
            },
        ),
        (
            "c -f -a",
            Args {
                framework: some("-a"),
                ..plain()
            },
        ),
        (
            "c --framework=",
            Args {
                framework: some(""),
                ..plain()
            },
        ),
        (
            "c --framework=a=b",
            Args {
                framework: some("a=b"),
                ..plain()
            },
        ),
        (
            "c --framework --help",
            Args {
                framework: some("--help"),
                ..plain()
            },
        ),
        (
            "c --framework -",
            Args {
                framework: some("-"),
                ..plain()
            },
        ),
        (
            "c -a -a",
            Args {
                all: true,
                ..plain()
            },
        ),
        (
            "c --add x --add=y",
            Args {
                add: vec!["x".into(), "y".into()],
                ..plain()
            },
        ),
        (
            "c --format=json",
            Args {
                format: Format::Json,
                ..plain()
            },
        ),
        (
            "c --internal",
            Args {
                internal: true,
                ..plain()
            },
        ),
        (
            "c -",
            Args {
                image: some("-"),
                ..plain()
            },
        ),
        (
            "help",
            Args {
                name: "help".into(),
                ..plain()
            },
        ),
        (
            "-- -x --gpu",
            Args {
                name: "-x".into(),
                image: some("--gpu"),
                ..plain()
            },
        ),
        (
            "c -a -- --",
            Args {
                all: true,
                image: some("--"),
                ..plain()
            },
        ),
    ] {
        assert_eq!(parse(line), Ok(args), "{line}");
    }
}

#[test]
fn a_mistake_is_named_in_one_sentence() {
    for (line, mistake) in [
        ("", "missing argument <container>"),
        ("c d e", "unexpected argument 'e'"),
        (
            "c --gpus 2",
            "unrecognized option '--gpus'; did you mean '--gpu'?",
        ),
        ("c --imagee=x", "unrecognized option '--imagee'"),
        ("c --interna", "unrecognized option '--interna'"),
        (
            "c --halp",
            "unrecognized option '--halp'; did you mean '--help'?",
        ),
        ("c -x", "unrecognized option '-x'"),
        ("c -ax", "unrecognized option '-x'"),
        (
            "c -gpu=2",
            "unrecognized option '-g'; did you mean '--gpu'?",
        ),
        ("c -a=1", "unrecognized option '-='"),
        ("c --gpu", "option '--gpu' requires an argument"),
        ("c -f", "option '-f' requires an argument"),
        ("c --all=yes", "option '--all' doesn't allow an argument"),
        (
            "c --gpu=two",
            "invalid value 'two' for --gpu: not a whole number",
        ),
        (
            "c --gpu=-1",
            "invalid value '-1' for --gpu: not a whole number",
        ),
        (
            "c --gpu=99999999999",
            "invalid value '99999999999' for --gpu: too large",
        ),
        (
            "c --format=xml",
            "invalid value 'xml' for --format: expected table, json or simple",
        ),
        ("c --nope --gpus", "unrecognized option '--nope'"),
        ("--generate=man c", "unrecognized option '--generate'"),
    ] {
        assert_eq!(parse::<Args>(line), Err(mistake.into()), "{line}");
    }
}

#[test]
fn a_page_is_shown_whatever_else_is_on_the_line() {
    for (line, page) in [
        ("-h", "Help"),
        ("--help", "Help"),
        ("c d e -ah", "Help"),
        ("--nope --info", "Info"),
        ("--concepts --help", "Concepts"),
        ("--gpu=two --version", "Version"),
    ] {
        assert_eq!(parse::<Args>(line), Err(format!("page {page}")), "{line}");
    }
}

#[test]
fn guidance_is_no_argument_of_the_command() {
    let info = Args::get_args_info();
    let Ok(Invocation::Run(line)) = read(vec!["c".into(), "--guided".into()], &info) else {
        panic!()
    };
    assert!(line.guided);
    assert_eq!(line.for_argh(), ["--", "c"]);
}

#[test]
fn what_follows_a_dispatched_command_is_its_own() {
    let words = |line| parse::<Dispatch>(line).map(|dispatch| dispatch.words);
    let all = |words: &[&str]| Ok(words.iter().map(|word| (*word).to_owned()).collect());
    assert_eq!(
        words("create --gpu=2 --help -- x"),
        all(&["create", "--gpu=2", "--help", "--", "x"])
    );
    assert_eq!(words("-- create -h"), all(&["create", "-h"]));
    assert_eq!(words(""), all(&[]));
    assert_eq!(words("--help create"), Err("page Help".into()));
}

#[test]
fn what_must_be_given_is_asked_for() {
    assert_eq!(parse::<Many>("a b"), Err("missing option '--state'".into()));
    let many = Many {
        state: "x".into(),
        names: vec!["a".into(), "b".into(), "c".into()],
    };
    assert_eq!(parse("a b --state x c"), Ok(many));
}
