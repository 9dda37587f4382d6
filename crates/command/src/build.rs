//! An image is built from a project, and the user sees how.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    path::PathBuf,
};

use ds01_cli::{Interruptions, Ui, human};
use ds01_core::{
    failure::{Failure, Kind},
    image,
};
use ds01_host::{
    Host,
    build::{Build, Progress},
    build_log::BuildLog,
    projects::Project,
    users::person,
};

use crate::refresh::refresh;

/// Lines of a step that are shown when it has failed.
const LAST: usize = 20;

/// `ARG`s that every Dockerfile has. Source: the Dockerfile reference, "Predefined ARGs".
const PREDEFINED: [&str; 5] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// How an image is built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct How {
    /// Every step is taken anew.
    pub no_cache: bool,
    /// The values of `ARG`s.
    pub arguments: BTreeMap<String, String>,
}

/// Builds a project's image, from a Dockerfile that has what its other files list; its name. On a
/// terminal, a step is a line, and what it prints is shown in passing; elsewhere each line is
/// printed. All of it is kept in a file. `again` is the command that builds it once more.
///
/// # Errors
///
/// Status 3 without a Dockerfile, 1 if a line of it fails, 130 on Ctrl-C: then the image of before
/// is what it was.
pub fn build(
    host: &Host,
    ui: &mut Ui,
    project: &Project,
    how: &How,
    again: &str,
) -> Result<String, Failure> {
    let image = image::of_project(host.caller().uid, &project.name);
    refresh(host, ui, project)?;
    // While Ctrl-C ends it still: a file system may not answer.
    let mut build = Build::read(project.folder.clone(), image)?;
    build.no_cache = how.no_cache;
    build.arguments = arguments(host, &build, how)?;
    ui.explain(format_args!(
        "an image is built, a step for each instruction of the Dockerfile, as docker build -t {} {} does",
        build.image,
        build.folder.display()
    ));
    let log = kept(ui, host.build_log(&project.name));
    let interruptions = Interruptions::held()?;
    let mut shown = Shown {
        live: ui.shows_progress(),
        log,
        ..Shown::default()
    };
    let built = host.build(&build, &mut |progress| {
        interruptions.check()?;
        shown.show(ui, progress);
        Ok(())
    });
    ui.progress_ends();
    let log = shown
        .log
        .take()
        .and_then(|log| kept(ui, log.end()))
        .flatten();
    match built {
        Ok(()) => {
            ui.note(format_args!("image {} built", build.image));
            Ok(build.image)
        }
        Err(failure) if failure.kind == Kind::Failed => {
            shown.last.iter().for_each(|line| ui.note(line));
            tell_log(ui, log);
            let hint = failure.hint.clone();
            Err(failure.with_hint(hint.unwrap_or(format!("mend it, and build again: {again}"))))
        }
        Err(failure) => Err(failure),
    }
}

/// Those that were given, and who builds, for a Dockerfile that makes its user an account.
fn arguments(host: &Host, build: &Build, how: &How) -> Result<BTreeMap<String, String>, Failure> {
    let mut arguments = how.arguments.clone();
    let taken = |name: &str| PREDEFINED.contains(&&*name.to_uppercase()) || build.takes(name);
    if let Some(odd) = arguments.keys().find(|name| !taken(name)) {
        let message = format!("the Dockerfile has no ARG {odd}");
        let hint = format!("add the line ARG {odd} where it is used, or leave --build-arg out");
        return Err(Failure::new(Kind::Usage, message).with_hint(hint));
    }
    let person = person(host.caller().uid)?;
    for (name, value) in [
        ("DS01_USER_ID", person.uid.to_string()),
        ("DS01_GROUP_ID", person.gid.to_string()),
        ("DS01_USERNAME", person.login),
    ] {
        if build.takes(name) {
            arguments.entry(name.into()).or_insert(value);
        }
    }
    Ok(arguments)
}

/// What keeps the output; a build goes on without.
fn kept<T>(ui: &mut Ui, kept: Result<T, Failure>) -> Option<T> {
    kept.map_err(|failure| {
        ui.warn(format_args!(
            "what the build prints is not kept: {}",
            failure.message
        ));
    })
    .ok()
}

fn tell_log(ui: &mut Ui, log: Option<PathBuf>) {
    if let Some(log) = log {
        ui.note(format_args!("all that it printed is in {}", log.display()));
    }
}

/// What is seen of a build.
#[derive(Default)]
struct Shown {
    live: bool,
    /// The first step has begun.
    begun: bool,
    /// The last lines of this step.
    last: VecDeque<String>,
    /// What was said to go on already.
    done: HashSet<String>,
    log: Option<BuildLog>,
}

impl Shown {
    fn show(&mut self, ui: &mut Ui, progress: Progress<'_>) {
        match progress {
            Progress::Sent(bytes) => {
                if !self.begun && bytes > 0 {
                    ui.progress(&format!("{} of the folder sent", human::bytes(bytes)));
                }
            }
            Progress::Step(step) => {
                self.begun = true;
                self.last.clear();
                self.keep(step);
                ui.progress_ends();
                ui.note(step);
            }
            Progress::Line(line) => {
                self.keep(line);
                let line = line.replace('\t', "    ");
                match (self.live, line.is_empty()) {
                    (_, true) => {}
                    (true, _) => {
                        ui.progress(&line);
                        self.last.push_back(line);
                        if self.last.len() > LAST {
                            self.last.pop_front();
                        }
                    }
                    (false, _) => ui.note(line),
                }
            }
            Progress::Doing(what) => {
                // Said again and again, as it goes on.
                let is_new = self.done.insert(what.into());
                if is_new {
                    self.keep(what);
                }
                match (self.live, is_new) {
                    (true, _) => ui.progress(what),
                    (false, true) => ui.note(what),
                    (false, false) => {}
                }
            }
        }
    }

    fn keep(&mut self, line: &str) {
        if let Some(log) = &mut self.log {
            log.line(line);
        }
    }
}
