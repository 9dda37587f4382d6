//! The screen that `dashboard` shows, as data and as tables.

use std::str::FromStr;

use ds01_cli::{Section, human};
use ds01_core::{
    alert::{Alert, Filled, UserUse},
    container::ContainerId,
    container::State,
    name::ContainerName,
    reservation::Reservation,
    time::Timestamp,
    usage::Usage,
};
use ds01_host::{
    ops::{Allocated, DeviceStatus, HostStatus},
    system::System,
};
use serde::Serialize;

use crate::{holders, holding_user, usage};

/// A part of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The devices.
    Gpu,
    /// Containers and what they use.
    Containers,
    /// Users against their limits.
    Users,
    /// The machine.
    System,
    /// Who holds which device, and until when.
    Allocations,
    /// What is reserved, and for whom.
    Reserved,
}

impl Part {
    /// Whether a screen of `only` one part, or of all, has this one.
    pub fn is_shown(self, only: Option<Self>) -> bool {
        only.is_none_or(|only| only == self)
    }
}

impl FromStr for Part {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "gpu" => Ok(Self::Gpu),
            "containers" => Ok(Self::Containers),
            "users" => Ok(Self::Users),
            "system" => Ok(Self::System),
            "allocations" => Ok(Self::Allocations),
            "reserved" => Ok(Self::Reserved),
            _ => Err("expected gpu, containers, users, system, allocations or reserved"),
        }
    }
}

/// Everything on it, or what was asked for. Its form in JSON is documented with the command.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Screen {
    host: String,
    time: Timestamp,
    admin: bool,
    alerts: Vec<Alert>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<System>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<Gpu>,
    #[serde(skip_serializing_if = "Option::is_none")]
    containers: Option<Vec<Container>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<Vec<UserUse>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allocations: Option<Vec<Allocated>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved: Option<Vec<Reservation>>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Gpu {
    driver: Option<String>,
    devices: Vec<DeviceStatus>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Container {
    name: ContainerName,
    user: String,
    id: ContainerId,
    state: State,
    image: String,
    slots: Vec<String>,
    usage: Option<Usage>,
}

impl Screen {
    /// The whole of it, or one part.
    pub fn new(status: HostStatus, used: Vec<Usage>, part: Option<Part>) -> Self {
        let shows = |one: Part| one.is_shown(part);
        let containers = status.containers.into_iter().map(|one| Container {
            usage: used.iter().find(|used| used.id == one.id).cloned(),
            name: one.name,
            user: one.user,
            id: one.id,
            state: one.state,
            image: one.image,
            slots: one.slots,
        });
        let (driver, devices) = (status.driver, status.devices);
        Self {
            host: status.host,
            time: status.time,
            admin: status.admin,
            alerts: status.alerts,
            system: shows(Part::System).then_some(status.system),
            gpu: shows(Part::Gpu).then_some(Gpu { driver, devices }),
            containers: shows(Part::Containers).then(|| containers.collect()),
            users: shows(Part::Users).then_some(status.users),
            allocations: shows(Part::Allocations).then_some(status.allocations),
            reserved: shows(Part::Reserved).then_some(status.reserved),
        }
    }

    /// It as tables, alerts first. On the whole screen the devices tell who holds them.
    pub fn sections(&self) -> Vec<Section> {
        let whole = self.gpu.is_some() && self.users.is_some();
        let sections = [
            self.alerts(),
            self.system.as_ref().map(|all| system(all, &self.host)),
            // What is one's own first, where the screen is too small for all.
            self.containers
                .as_deref()
                .map(|all| containers(all, self.admin)),
            self.gpu.as_ref().map(gpu),
            self.reserved
                .as_deref()
                .filter(|all| !whole || !all.is_empty())
                .map(reserved),
            self.users.as_deref().map(users),
            self.allocations
                .as_deref()
                .filter(|_| !whole)
                .map(|all| allocations(all, self.time)),
        ];
        sections.into_iter().flatten().collect()
    }

    fn alerts(&self) -> Option<Section> {
        let row = |alert: &Alert| vec![alert.about.to_string(), alert.message.clone()];
        (!self.alerts.is_empty()).then(|| Section {
            word: "alert",
            title: "Alerts".into(),
            rows: self.alerts.iter().map(row).collect(),
            prose: true,
            ..Section::default()
        })
    }
}

fn dash() -> String {
    "-".into()
}

fn filled(filled: Option<&Filled>) -> [String; 3] {
    let Some(filled) = filled else {
        return [dash(), dash(), dash()];
    };
    [
        human::bytes(filled.used_bytes),
        human::bytes(filled.bytes),
        filled
            .percent()
            .map_or_else(dash, |part| format!("{part}%")),
    ]
}

fn system(system: &System, host: &str) -> Section {
    let row = |what: &str, cells: [String; 3]| [vec![what.into()], cells.to_vec()].concat();
    let load = system.load.map(|load| load[0]);
    let busy = load
        .filter(|_| system.cpus > 0)
        .map(|load| 100.0 * load / system.cpus as f64);
    let cpus = [
        load.map_or_else(dash, |load| format!("{load:.2}")),
        system.cpus.to_string(),
        busy.map_or_else(dash, human::percent),
    ];
    Section {
        word: "system",
        title: format!("System {host}"),
        headings: vec!["WHAT", "USED", "OF", "PART"],
        rows: vec![
            row("Load", cpus),
            row("Memory", filled(system.memory.as_ref())),
            row("Disk", filled(system.disk.as_ref())),
        ],
        ..Section::default()
    }
}

fn gpu(gpu: &Gpu) -> Section {
    let row = |status: &DeviceStatus| {
        let device = &status.device;
        let [user, container] = holders(status);
        let used = device
            .activity
            .memory_used_bytes
            .map_or_else(dash, human::bytes);
        let utilisation = device.activity.utilisation;
        vec![
            device.slot.to_string(),
            user,
            container,
            format!("{used}/{}", human::bytes(device.memory_bytes)),
            utilisation.map_or_else(dash, |percent| format!("{percent}%")),
            device.share.to_string(),
            device
                .profile
                .clone()
                .unwrap_or_else(|| device.model.clone()),
        ]
    };
    Section {
        word: "gpu",
        title: "GPUs".into(),
        headings: vec![
            "GPU",
            "USER",
            "CONTAINER",
            "MEMORY",
            "UTIL",
            "SHARE",
            "TYPE",
        ],
        rows: gpu.devices.iter().map(row).collect(),
        empty: match gpu.driver {
            Some(_) => "this host has none",
            None => "the driver does not answer",
        },
        ..Section::default()
    }
}

fn containers(all: &[Container], admin: bool) -> Section {
    let row = |one: &Container| {
        let used = one.usage.as_ref().map(usage::cells);
        let mut row = vec![one.name.to_string(), one.state.to_string()];
        row.extend(used.unwrap_or_else(|| std::array::from_fn(|_| dash())));
        let slots = match one.slots.is_empty() {
            true => dash(),
            false => one.slots.join(" "),
        };
        row.extend([slots, one.image.clone()]);
        if admin {
            row.insert(0, one.user.clone());
        }
        row
    };
    let mut headings = vec!["NAME", "STATUS"];
    headings.extend(usage::HEADINGS);
    headings.extend(["GPU", "IMAGE"]);
    if admin {
        headings.insert(0, "USER");
    }
    Section {
        word: "containers",
        title: if admin {
            "Containers"
        } else {
            "Your containers"
        }
        .into(),
        headings,
        rows: all.iter().map(row).collect(),
        empty: "none",
        ..Section::default()
    }
}

fn users(all: &[UserUse]) -> Section {
    let row = |user: &UserUse| {
        let of = |used: String, most: Option<String>| match &user.login {
            Some(_) => format!("{used}/{}", most.unwrap_or("unlimited".into())),
            None => used,
        };
        vec![
            user.login.clone().unwrap_or("(others)".into()),
            of(
                user.held.to_string(),
                user.quota.map(|quota| quota.to_string()),
            ),
            of(
                user.containers.to_string(),
                user.containers_limit.map(|most| most.to_string()),
            ),
            user.group.clone().unwrap_or_else(dash),
        ]
    };
    Section {
        word: "users",
        title: "Users".into(),
        headings: vec!["USER", "GPUS", "CONTAINERS", "GROUP"],
        rows: all.iter().map(row).collect(),
        ..Section::default()
    }
}

fn allocations(all: &[Allocated], now: Timestamp) -> Section {
    let row = |one: &Allocated| {
        let short = one.container.rsplit_once("._.");
        vec![
            one.slot.clone(),
            holding_user(one.user.as_deref(), one.owner_by, &one.state),
            short.map_or(one.container.clone(), |(name, _)| name.into()),
            one.state.clone(),
            one.until
                .map_or_else(dash, |until| human::duration(until.since(now))),
        ]
    };
    Section {
        word: "allocations",
        title: "Allocations".into(),
        headings: vec!["GPU", "USER", "CONTAINER", "STATE", "FREE-IN"],
        rows: all.iter().map(row).collect(),
        empty: "every GPU is free",
        ..Section::default()
    }
}

fn reserved(all: &[Reservation]) -> Section {
    let row = |one: &Reservation| {
        vec![
            one.what.to_string(),
            one.whom.to_string(),
            one.from.to_string(),
            one.until.to_string(),
        ]
    };
    Section {
        word: "reserved",
        title: "Reservations".into(),
        headings: vec!["WHAT", "FOR", "FROM", "UNTIL"],
        rows: all.iter().map(row).collect(),
        empty: "none",
        ..Section::default()
    }
}
