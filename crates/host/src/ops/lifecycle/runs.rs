//! Which run each container is in: it is known by its first process.

use ds01_core::{
    failure::Failure,
    lifecycle::{Run, Watch},
    time::Now,
};

use super::subject::Subject;
use crate::{Site, engine::Inspected, first_process::FirstProcess};

/// A container that runs, in the run that it is in.
pub(super) struct Running {
    pub(super) subject: Subject,
    pub(super) run: Run,
    /// `None` where the host does not show it.
    pub(super) process: Option<FirstProcess>,
}

/// Finds the run of each container; those that have stopped meanwhile are left out.
///
/// The engine is asked only about runs that nobody remembers: each question costs it more than a
/// look at the process.
///
/// # Errors
///
/// If the engine does not answer.
pub(super) fn running(
    site: &Site,
    subjects: Vec<Subject>,
    watch: &Watch,
    now: Now,
) -> Result<Vec<Running>, Failure> {
    let mut running = Vec::with_capacity(subjects.len());
    let mut others = Vec::new();
    for subject in subjects {
        let known = watch.containers.get(&subject.id).map(|known| &known.run);
        let process = known.and_then(|run| {
            let process = FirstProcess::open(run.pid, &subject.id)?;
            (process.began() == Some(run.began)).then_some(process)
        });
        match known.cloned().filter(|_| process.is_some()) {
            Some(run) => running.push(Running {
                subject,
                run,
                process,
            }),
            None => others.push(subject),
        }
    }
    let ids: Vec<_> = others.iter().map(|subject| subject.id.clone()).collect();
    let inspected = site.engine().inspect(&ids)?;
    for subject in others {
        let mut found = inspected.iter().filter(|one| one.id == subject.id);
        let known = watch.containers.get(&subject.id).map(|known| &known.run);
        running.extend(found.next().and_then(|one| told(subject, one, known, now)));
    }
    Ok(running)
}

/// The run that the engine tells of.
fn told(subject: Subject, inspected: &Inspected, known: Option<&Run>, now: Now) -> Option<Running> {
    let (pid, started) = (inspected.pid?, inspected.started?);
    let process = FirstProcess::open(pid, &subject.id);
    let same = known.filter(|run| run.pid == pid && run.started == started);
    let began = match (process.as_ref().and_then(FirstProcess::began), same) {
        (Some(began), _) => began,
        // Where its process cannot be seen, a run has lasted since it was first seen.
        (None, Some(run)) => run.began,
        (None, None) => now.uptime,
    };
    Some(Running {
        subject,
        run: Run {
            pid,
            began,
            started,
        },
        process,
    })
}
