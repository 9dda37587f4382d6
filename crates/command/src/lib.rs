//! What several commands share: the host as they open it, the container that is meant, and steps
//! that are more than one operation.

mod anew;
mod base;
mod build;
mod create;
pub mod dashboard;
mod deploy;
pub mod duty;
mod image_create;
mod image_update;
mod init;
mod launch;
pub mod limits;
mod menu;
pub mod mlc;
mod names;
pub mod queue;
mod refresh;
pub mod reserve;
mod retire;
mod setup;
pub mod track;
pub mod usage;
mod wait;

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use ds01_cli::{Command, ExitStatus, Outcome, Ui, human, shell};
use ds01_core::{
    container::State,
    failure::{Failure, Kind},
    gpu_request::GpuRequest,
    name::{ContainerArg, ContainerName},
    owner::Way,
};
use ds01_host::{
    Answered, Host, Operation, clock,
    engine::Terminal,
    ops::{Describe, Described, DeviceStatus, List, Listed, open_shell},
};

pub use base::Base;
pub use build::{How, build};
pub use create::{create, create_of};
pub use deploy::{create_or_undo, deploy, shell, with_gpu};
pub use image_create::{ImageCreate, image_create};
pub use image_update::{ImageUpdate, image_update};
pub use init::{Init, init};
pub use launch::launch;
pub use menu::project;
pub use retire::{Retire, retire};
pub use setup::{Setup, setup};
pub use wait::{expected, patience, place};

/// Runs a command as this process, as [`ds01_cli::main`] does; a shell is offered the user's own
/// containers, projects and images for its arguments.
pub fn main<C: Command, O: Outcome>(run: fn(C, &mut Ui) -> Result<O, Failure>) -> ExitCode {
    ds01_cli::main(run, names::names)
}

/// Opens the host for the user who runs this command.
///
/// # Errors
///
/// If they have no access, or the host is not set up.
pub fn open(ui: &Ui) -> Result<Host, Failure> {
    let host = Host::open(ui.name())?;
    if ui.shows_progress() {
        host.tell_if_slow(ds01_cli::meanwhile);
    }
    Ok(host)
}

/// Asks the host, and tells the user what it notes beside its answer.
///
/// # Errors
///
/// The operation's own.
pub fn ask<O: Operation>(host: &Host, ui: &mut Ui, operation: &O) -> Result<O::Answer, Failure> {
    let Answered { value, notices } = host.ask(operation)?;
    notices.iter().for_each(|notice| ui.warn(notice));
    Ok(value)
}

/// The container that was named; without a name, one that is chosen from those that `fit`.
///
/// # Errors
///
/// Status 2 without a terminal, 3 if none fits.
pub fn container(
    host: &Host,
    ui: &mut Ui,
    named: Option<ContainerArg>,
    prompt: &str,
    fit: impl Fn(State) -> bool,
) -> Result<ContainerArg, Failure> {
    if let Some(named) = named {
        return Ok(named);
    }
    ui.may_ask("container")?;
    let all = ask(
        host,
        ui,
        &List {
            stopped: true,
            all_users: false,
        },
    )?;
    let mut fitting: Vec<Listed> = all.into_iter().filter(|c| fit(c.state)).collect();
    if fitting.is_empty() {
        return Err(Failure::new(Kind::NotFound, none_is(&fit))
            .with_hint("see what you have with container-list --all"));
    }
    let rows: Vec<_> = fitting.iter().map(facts).collect();
    let name = fitting.swap_remove(ui.choose(prompt, &rows)?).name;
    Ok(name.into())
}

/// The containers that were named, or with `all` those that `fit`, which may be none.
///
/// # Errors
///
/// As [`container`]; status 2 if some were named and all are meant.
pub fn containers(
    host: &Host,
    ui: &mut Ui,
    named: impl IntoIterator<Item = ContainerArg>,
    all: bool,
    prompt: &str,
    fit: impl Fn(State) -> bool,
) -> Result<Vec<ContainerArg>, Failure> {
    let named: Vec<_> = named.into_iter().collect();
    match (all, named.is_empty()) {
        (false, false) => return Ok(named),
        (false, true) => return Ok(vec![container(host, ui, None, prompt, fit)?]),
        (true, false) => {
            let hint = format!("see {} --help", ui.name());
            let message = "a name and --all exclude each other";
            return Err(Failure::new(Kind::Usage, message).with_hint(hint));
        }
        (true, true) => {}
    }
    let listed = ask(
        host,
        ui,
        &List {
            stopped: true,
            all_users: false,
        },
    )?;
    let fitting = listed.into_iter().filter(|container| fit(container.state));
    let fitting: Vec<_> = fitting.map(|container| container.name.into()).collect();
    if fitting.is_empty() {
        ui.note(none_is(&fit));
    }
    Ok(fitting)
}

/// That none `fit`, in the words for the states of those that would.
fn none_is(fit: impl Fn(State) -> bool) -> String {
    let states = [State::Created, State::Running, State::Paused, State::Exited];
    let fitting = states.into_iter().filter(|state| fit(*state));
    let fitting: Vec<_> = fitting.map(|state| state.to_string()).collect();
    match fitting.len() == states.len() {
        true => "you have no container".into(),
        false => format!("you have no container that is {}", fitting.join(" or ")),
    }
}

/// The name of a container that is to be made: one's own, whoever one is.
///
/// # Errors
///
/// Status 7 if another's was named.
pub fn own(host: &Host, ui: &Ui, named: ContainerArg) -> Result<ContainerName, Failure> {
    let ContainerArg { name, uid, .. } = named;
    if uid.is_some_and(|uid| uid != host.caller().uid) {
        let message = "a container is made for its owner by its owner";
        let hint = format!("make one of your own: {} {name}", ui.name());
        return Err(Failure::new(Kind::Forbidden, message).with_hint(hint));
    }
    Ok(name)
}

/// The name and the image of `<name> [<image>]`; that of `--image` before any.
///
/// # Errors
///
/// Status 2 for what is no name, and for words beyond.
pub fn name_and_image(
    ui: &Ui,
    words: Vec<String>,
    image: Option<String>,
) -> Result<(Option<ContainerArg>, Option<String>), Failure> {
    let mut words = words.into_iter();
    let name = words.next().map(|word| word.parse()).transpose()?;
    let second = words.next();
    match words.next() {
        None => Ok((name, image.or(second))),
        Some(odd) => {
            let hint = format!(
                "a name and an image are all there is: see {} --help",
                ui.name()
            );
            let message = format!("unexpected argument {odd:?}");
            Err(Failure::new(Kind::Usage, message).with_hint(hint))
        }
    }
}

/// The GPUs that `--gpu` and `--cpu-only` ask for.
///
/// # Errors
///
/// Status 2 if they contradict each other.
pub fn gpus(gpu: Option<GpuRequest>, cpu_only: bool) -> Result<GpuRequest, Failure> {
    match (gpu, cpu_only) {
        (None | Some(GpuRequest { count: 0, .. }), true) => Ok(GpuRequest::NONE),
        (gpu, false) => Ok(gpu.unwrap_or_default()),
        (Some(_), true) => Err(exclude_each_other("--gpu", "--cpu-only")),
    }
}

/// Whether `--open` or `--background` asks for a shell, or for lack of both the terminal does.
///
/// # Errors
///
/// Status 2 if both are given.
pub fn opens(ui: &Ui, open: bool, background: bool) -> Result<bool, Failure> {
    match (open, background) {
        (true, true) => Err(exclude_each_other("--open", "--background")),
        (false, false) => Ok(ui.interactive()),
        (open, _) => Ok(open),
    }
}

/// Status 2, for two options of which one can be given.
pub fn exclude_each_other(one: &str, other: &str) -> Failure {
    let message = format!("{one} and {other} exclude each other");
    Failure::new(Kind::Usage, message).with_hint("leave one of them out")
}

/// Shows what would end with a container.
///
/// # Errors
///
/// Status 3 without the container.
pub fn show(host: &Host, ui: &mut Ui, name: &ContainerArg) -> Result<Described, Failure> {
    let about = ask(host, ui, &Describe { name: name.clone() })?;
    let up = about.started.map_or(String::new(), |since| {
        format!(", up {}", human::duration(clock::now().since(since)))
    });
    let processes = about
        .processes
        .map_or(String::new(), |count| format!(", {count} processes"));
    ui.note(format_args!(
        "{}: {}{up}, image {}{processes}",
        about.name, about.state, about.image
    ));
    Ok(about)
}

/// What to choose a container by.
fn facts(container: &Listed) -> [String; 4] {
    let gpu = match container.slots.as_slice() {
        [] => "no GPU".into(),
        slots => format!("GPU {}", slots.join(" ")),
    };
    [
        container.name.to_string(),
        container.state.to_string(),
        gpu,
        container.image.clone(),
    ]
}

/// Who holds a device, as users read it: the owners and the containers; and processes that use it
/// outside every container. Without any it is `free`, or `reserved`.
pub fn holders(status: &DeviceStatus) -> [String; 2] {
    let held = status.holders.iter().map(|holder| {
        let user = holding_user(holder.user.as_deref(), holder.owner_by, &holder.state);
        let short = holder
            .container
            .rsplit_once("._.")
            .map_or(&*holder.container, |(name, _)| name);
        let container = match holder.state.as_str() {
            "live" | "unmanaged" => short.to_string(),
            "kept" => "(kept)".to_string(),
            state => format!("{short} ({state})"),
        };
        (user, container)
    });
    let outside = status.outsiders.iter().map(|outsider| {
        let user = format!("{} (unmanaged)", outsider.user);
        (user, format!("process {} {}", outsider.pid, outsider.name))
    });
    let (users, containers): (Vec<_>, Vec<_>) = held.chain(outside).unzip();
    let by_nobody = match (status.in_use_outside, &status.reserved_for) {
        (true, _) => "in use outside containers",
        (false, Some(_)) => "reserved",
        (false, None) => "free",
    };
    match users.is_empty() {
        true => [by_nobody.into(), "-".into()],
        false => [users.join(","), containers.join(",")],
    }
}

/// A holder's user, with a mark if DS01 did not make the container, and another if only somebody's
/// word says whose it is.
pub(crate) fn holding_user(user: Option<&str>, by: Option<Way>, state: &str) -> String {
    match user {
        Some(user) if state == "unmanaged" => {
            let doubt = if by.is_none_or(Way::is_claim) {
                "perhaps "
            } else {
                ""
            };
            format!("{doubt}{user} (unmanaged)")
        }
        Some(user) => user.into(),
        None => "unmanaged".into(),
    }
}

/// What a shell's exit status is when the engine ended it with its container: that of SIGKILL.
const KILLED: u8 = 128 + 9;

/// By when the engine has noted that a container ended whose shells did: it tells of those first.
const NOTED: Duration = Duration::from_secs(1);

/// A shell in a running container, joined to this terminal or these pipes; its exit status.
///
/// One that ended because its container did says so: nothing in it could.
///
/// # Errors
///
/// If there is no such container, it does not run, or the engine goes away.
pub fn attach(host: &Host, ui: &mut Ui, name: &ContainerArg) -> Result<ExitStatus, Failure> {
    let seat = shell::Seat::of_this_process();
    let terminal = seat.as_ref().map(|seat| Terminal {
        term: seat.term.clone(),
        rows: seat.rows,
        columns: seat.columns,
    });
    let shell = open_shell(host, name, terminal.as_ref())?;
    let stream = shell.stream()?;
    // A shell that has just ended cannot be resized: its status is what counts.
    let resized = |rows, columns| drop(shell.resize(rows, columns));
    match shell::join(stream, &shell.exec.first, seat.is_some(), resized)? {
        shell::Ended::Closed => {
            let status = shell.status()?;
            if status == KILLED {
                explain_end(host, ui, name);
            }
            Ok(ExitStatus(status))
        }
        shell::Ended::Signal(signal) => Ok(ExitStatus(128 + signal)),
    }
}

/// Says that a container has ended, if it has, and how to go on.
fn explain_end(host: &Host, ui: &mut Ui, name: &ContainerArg) {
    let short = &name.name;
    let deadline = Instant::now() + NOTED;
    loop {
        let seen = host.ask(&Describe { name: name.clone() });
        match seen.map(|seen| seen.value.state) {
            Ok(State::Exited) => {
                return ui.note(format_args!(
                    "container {short} has been stopped; start it again with container-run {name}"
                ));
            }
            Err(failure) if failure.kind == Kind::NotFound => {
                return ui.note(format_args!("container {short} has been removed"));
            }
            // It was the shell alone; or nobody can tell.
            _ if Instant::now() >= deadline => return,
            _ => thread::sleep(Duration::from_millis(20)),
        }
    }
}
