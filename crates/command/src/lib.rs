//! What several commands share: the host as they open it, and the container that is meant.

pub mod dashboard;
pub mod usage;

use ds01_cli::{ExitStatus, Ui, shell};
use ds01_core::{
    container::State,
    failure::{Failure, Kind},
    name::ContainerArg,
};
use ds01_host::{
    Answered, Host, Operation,
    engine::Terminal,
    ops::{DeviceStatus, List, Listed, open_shell},
};

/// Opens the host for the user who runs this command.
///
/// # Errors
///
/// If they have no access, or the host is not set up.
pub fn open(ui: &Ui) -> Result<Host, Failure> {
    Host::open(ui.name())
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

/// Whether a container's processes exist.
pub fn is_up(state: State) -> bool {
    state.is_up()
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
        return Err(
            Failure::new(Kind::NotFound, "you have no container that fits")
                .with_hint("see what you have with container-list --all"),
        );
    }
    let rows: Vec<_> = fitting.iter().map(facts).collect();
    let name = fitting.swap_remove(ui.choose(prompt, &rows)?).name;
    Ok(ContainerArg { name, uid: None })
}

/// The container to be made, that was named; without a name, that of a project which is chosen
/// from those in `~/workspace` that have no container yet.
///
/// # Errors
///
/// Status 2 without a terminal, 3 if there is no such project.
pub fn project(
    host: &Host,
    ui: &mut Ui,
    named: Option<ContainerArg>,
    prompt: &str,
) -> Result<ContainerArg, Failure> {
    if let Some(named) = named {
        return Ok(named);
    }
    ui.may_ask("name")?;
    let all = List {
        stopped: true,
        all_users: false,
    };
    let used: Vec<_> = ask(host, ui, &all)?.into_iter().map(|c| c.name).collect();
    let mut projects = host.projects()?;
    projects.retain(|name| !used.contains(name));
    if projects.is_empty() {
        let message = "you have no project without a container in ~/workspace";
        let hint = format!("name the new one: {} <name> --image=<image>", ui.name());
        return Err(Failure::new(Kind::NotFound, message).with_hint(hint));
    }
    let rows: Vec<_> = projects.iter().map(|name| [name.to_string()]).collect();
    let name = projects.swap_remove(ui.choose(prompt, &rows)?);
    Ok(ContainerArg { name, uid: None })
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
    let fitting: Vec<_> = fitting
        .map(|container| ContainerArg {
            name: container.name,
            uid: None,
        })
        .collect();
    if fitting.is_empty() {
        ui.note("you have no container that fits");
    }
    Ok(fitting)
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

/// Who holds a device, as users read it: the owners and the containers.
pub fn holders(status: &DeviceStatus) -> [String; 2] {
    let users = status
        .holders
        .iter()
        .map(|h| h.user.clone().unwrap_or("unmanaged".into()));
    let containers = status.holders.iter().map(|holder| {
        let short = holder
            .container
            .rsplit_once("._.")
            .map_or(&*holder.container, |(name, _)| name);
        match holder.state.as_str() {
            "live" | "unmanaged" => short.to_string(),
            state => format!("{short} ({state})"),
        }
    });
    match (status.holders.is_empty(), status.in_use_outside) {
        (true, false) => ["free".into(), "-".into()],
        (true, true) => ["in use outside containers".into(), "-".into()],
        _ => [
            users.collect::<Vec<_>>().join(","),
            containers.collect::<Vec<_>>().join(","),
        ],
    }
}

/// A shell in a running container, joined to this terminal or these pipes; its exit status.
///
/// # Errors
///
/// If there is no such container, it does not run, or the engine goes away.
pub fn attach(host: &Host, name: &ContainerArg) -> Result<ExitStatus, Failure> {
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
        shell::Ended::Closed => shell.status().map(ExitStatus),
        shell::Ended::Signal(signal) => Ok(ExitStatus(128 + signal)),
    }
}
