//! What a user waits for before anything is done: a page of help, a name that a shell completes, and
//! what a login is told.

use ds01_host::config::Config;

use crate::{
    Result,
    figure::{Goal, figure, medians, run, time},
    raw,
};

const ROUNDS: usize = 31;

/// Pages of a command with few options, with many, and of a whole family.
const HELP: [&str; 3] = ["container-exit", "container-create", "container"];

pub(crate) fn measure(present: &str) -> Result<()> {
    let socket = Config::load()?.engine.socket;
    let path = raw::list(r#"{"name":["none"]}"#);
    let mut least = || {
        time(|| {
            run("/bin/true", &[])?;
            raw::call(&socket, "GET", &path, "")
        })
    };
    for command in HELP {
        let mut help = || time(|| run(command, &["--help"]));
        let cases = [
            ("--help", &mut help as &mut dyn FnMut() -> _),
            ("/bin/true and a raw call", &mut least),
        ];
        let [help, least] = medians(ROUNDS, cases)?;
        figure(
            format_args!("{command} --help, {present} there: against /bin/true and one raw call"),
            help / least,
            Goal::AtMost(2.0),
        )?;
    }
    let mut complete = || time(|| run("container-stop", &["--complete", "x"]));
    let cases = [
        ("a name", &mut complete as &mut dyn FnMut() -> _),
        ("/bin/true and a raw call", &mut least),
    ];
    let [complete, least] = medians(ROUNDS, cases)?;
    figure(
        format_args!("completion of a name, {present} there: against /bin/true and one raw call"),
        complete / least,
        Goal::AtMost(2.0),
    )?;
    figure(
        format_args!("completion of a name, {present} there, ms"),
        complete,
        Goal::AtMost(50.0),
    )?;
    let mut greeting = || time(|| run("ds01-notices", &["--login"]));
    let [greeting] = medians(
        ROUNDS,
        [("a greeting", &mut greeting as &mut dyn FnMut() -> _)],
    )?;
    figure(
        format_args!("the greeting of a login, {present} there, ms"),
        greeting,
        Goal::AtMost(20.0),
    )
}
