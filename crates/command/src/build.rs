//! An image is built from a project, and the user sees how.

use std::collections::{HashSet, VecDeque};

use ds01_cli::{Interruptions, Ui, human};
use ds01_core::{
    failure::{Failure, Kind},
    image,
};
use ds01_host::{
    Host,
    build::{Build, Progress},
    projects::Project,
};

/// Lines of a step that are shown when it has failed.
const LAST: usize = 20;

/// Builds a project's image. On a terminal, a step is a line, and what it prints is shown in
/// passing; elsewhere each line is printed. `again` is the command that builds it once more.
///
/// # Errors
///
/// Status 3 without a Dockerfile, 1 if a line of it fails, 130 on Ctrl-C: then the image of before
/// is what it was.
pub fn build(host: &Host, ui: &mut Ui, project: &Project, again: &str) -> Result<(), Failure> {
    let image = image::of_project(host.caller().uid, &project.name);
    // While Ctrl-C ends it still: a file system may not answer.
    let build = Build::read(project.folder.clone(), image)?;
    ui.explain(format_args!(
        "an image is built, a step for each instruction of the Dockerfile, as docker build -t {} {} does",
        build.image,
        build.folder.display()
    ));
    let interruptions = Interruptions::held()?;
    let live = ui.shows_progress();
    let mut last: VecDeque<String> = VecDeque::new();
    let mut done: HashSet<String> = HashSet::new();
    let mut begun = false;
    let built = host.build(&build, &mut |progress| {
        interruptions.check()?;
        match progress {
            Progress::Sent(bytes) if !begun && bytes > 0 => {
                ui.progress(&format!("{} of the folder sent", human::bytes(bytes)));
            }
            Progress::Sent(_) | Progress::Line("") => {}
            Progress::Step(step) => {
                begun = true;
                last.clear();
                ui.progress_ends();
                ui.note(step);
            }
            Progress::Line(line) if live => {
                let line = line.replace('\t', "    ");
                ui.progress(&line);
                last.push_back(line);
                if last.len() > LAST {
                    last.pop_front();
                }
            }
            Progress::Line(line) => ui.note(line.replace('\t', "    ")),
            Progress::Doing(what) if live => ui.progress(what),
            // Said again and again, as it goes on.
            Progress::Doing(what) => {
                if done.insert(what.into()) {
                    ui.note(what);
                }
            }
        }
        Ok(())
    });
    ui.progress_ends();
    match built {
        Ok(()) => {
            ui.note(format_args!("image {} built", build.image));
            Ok(())
        }
        Err(failure) if failure.kind == Kind::Failed => {
            last.iter().for_each(|line| ui.note(line));
            let hint = failure.hint.clone();
            Err(failure.with_hint(hint.unwrap_or(format!("mend it, and build again: {again}"))))
        }
        Err(failure) => Err(failure),
    }
}
