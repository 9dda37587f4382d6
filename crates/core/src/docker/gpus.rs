//! Requests for GPUs, in every way that Docker and NVIDIA know to write one.

use std::collections::BTreeSet;

use super::{
    body::{is_empty, list, number, text},
    create::CreateBody,
    host_config::{DeviceMapping, DeviceRequest},
    refused::Refused,
};

/// By which NVIDIA's hook and runtime choose devices.
pub(super) const VISIBLE: &str = "NVIDIA_VISIBLE_DEVICES";

/// The other variables by which they give a container more of the host.
pub(crate) const SELECTORS: [&str; 8] = [
    "NVIDIA_MIG_CONFIG_DEVICES",
    "NVIDIA_MIG_MONITOR_DEVICES",
    "NVIDIA_IMEX_CHANNELS",
    "NVIDIA_GDS",
    "NVIDIA_MOFED",
    "NVIDIA_NVSWITCH",
    "NVIDIA_GDRCOPY",
    // Where an admin has made GPUs a resource of Swarm.
    "DOCKER_RESOURCE_GPU",
];

/// Before the name of a GPU in NVIDIA's CDI specification.
pub(super) const CDI_GPU: &str = "nvidia.com/gpu=";

/// Parts of the driver that a request may name beside `gpu`.
const DRIVER_PARTS: [&str; 6] = [
    "compat32", "compute", "display", "graphics", "utility", "video",
];

/// Nodes that belong to no one GPU and come with any.
const COMPANIONS: [&str; 4] = [
    "/dev/nvidiactl",
    "/dev/nvidia-uvm",
    "/dev/nvidia-uvm-tools",
    "/dev/nvidia-modeset",
];

const INSTEAD: &str = "ask for GPUs with --gpus, as in --gpus 1";

/// How many devices a request asks for. A device that it names counts as one: which one is ours
/// to choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum GpuWish {
    /// None.
    #[default]
    None,
    /// So many.
    Count(u32),
    /// As many as one container of this owner may have.
    All,
}

impl GpuWish {
    /// The number of devices, where one container may have `most`: see [`crate::admit::most`].
    pub fn count(self, most: u32) -> u32 {
        match self {
            Self::None => 0,
            Self::Count(count) => count,
            // Somebody who asks for GPUs is told that there are none.
            Self::All => most.max(1),
        }
    }

    fn of(count: usize) -> Self {
        match u32::try_from(count).unwrap_or(u32::MAX) {
            0 => Self::None,
            count => Self::Count(count),
        }
    }

    /// Of names of devices; several in one text are separated by commas.
    fn named<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names: BTreeSet<&str> = names
            .flat_map(|names| names.split(','))
            .map(str::trim)
            .filter(|name| !matches!(*name, "" | "none" | "void"))
            .collect();
        match names.contains("all") {
            true => Self::All,
            false => Self::of(names.len()),
        }
    }
}

/// Takes every request for GPUs out of `body`: the largest counts. Fills `parts` with the parts
/// of the driver that are asked for.
///
/// # Errors
///
/// [`Refused`] for devices that are not NVIDIA's GPUs.
pub(super) fn take(
    body: &mut CreateBody,
    parts: &mut BTreeSet<String>,
) -> Result<GpuWish, Refused> {
    let visible = GpuWish::named(
        list(&body.env)
            .iter()
            .filter_map(|entry| entry.split_once('='))
            .filter(|(key, _)| *key == VISIBLE)
            .map(|(_, value)| value),
    );
    drop_selectors(&mut body.env);
    let runtime = body.runtime.take();
    let host = body.host();
    if text(&host.runtime).is_empty() {
        host.runtime = runtime.filter(|runtime| !runtime.is_empty());
    }
    if text(&host.runtime) == "nvidia" {
        host.runtime = None;
    }
    let requests = host.device_requests.take().unwrap_or_default();
    let devices = host.devices.take().unwrap_or_default();
    let requested = of_requests(&requests, parts)?;
    Ok(visible.max(requested).max(of_devices(&devices)?))
}

/// Leaves out the variables that choose devices.
pub(super) fn drop_selectors(env: &mut Option<Vec<String>>) {
    let selects = |entry: &String| {
        let key = entry.split('=').next().unwrap_or_default();
        key == VISIBLE || SELECTORS.contains(&key)
    };
    if let Some(env) = env {
        env.retain(|entry| !selects(entry));
    }
}

fn of_requests(
    requests: &[DeviceRequest],
    parts: &mut BTreeSet<String>,
) -> Result<GpuWish, Refused> {
    let (mut ids, mut counted) = (Vec::new(), 0_usize);
    let mut all = GpuWish::None;
    for request in requests {
        if !is_empty(&request.options) {
            let why = "options of the driver";
            return Err(refuse("DeviceRequests.Options", "…", why));
        }
        let named = list(&request.device_ids);
        match text(&request.driver) {
            "cdi" => {
                for id in named {
                    ids.push(of_cdi("DeviceRequests.DeviceIDs", id)?);
                }
                continue;
            }
            "" | "nvidia" => {}
            other => {
                let why = "not a driver of NVIDIA GPUs";
                return Err(refuse("DeviceRequests.Driver", other, why));
            }
        }
        let wanted = || list(&request.capabilities).iter().flatten();
        if !wanted().any(|part| part == "gpu") {
            let asked = wanted().map(String::as_str).collect::<Vec<_>>().join(",");
            let why = "no GPU among them";
            return Err(refuse("DeviceRequests.Capabilities", asked, why));
        }
        parts.extend(
            wanted()
                .filter(|part| DRIVER_PARTS.contains(&part.as_str()))
                .cloned(),
        );
        ids.extend(named.iter().map(String::as_str));
        match number(request.count) {
            -1 => all = GpuWish::All,
            count => {
                let Ok(count) = usize::try_from(count) else {
                    let value = count.to_string();
                    return Err(Refused::value("DeviceRequests.Count", value, "not a count"));
                };
                counted = counted.saturating_add(count);
            }
        }
    }
    Ok(all
        .max(GpuWish::of(counted))
        .max(GpuWish::named(ids.into_iter())))
}

/// The name after `nvidia.com/gpu=`.
fn of_cdi<'a>(field: &'static str, id: &'a str) -> Result<&'a str, Refused> {
    id.strip_prefix(CDI_GPU)
        .filter(|name| !name.is_empty())
        .ok_or_else(|| refuse(field, id, "not a GPU of NVIDIA"))
}

fn of_devices(devices: &[DeviceMapping]) -> Result<GpuWish, Refused> {
    let mut names = Vec::new();
    for device in devices {
        let asked = text(&device.path_on_host);
        if !asked.starts_with('/') {
            names.push(of_cdi("Devices", asked)?);
            continue;
        }
        let parts: Vec<&str> = asked
            .split('/')
            .filter(|part| !matches!(*part, "" | "."))
            .collect();
        let path = format!("/{}", parts.join("/"));
        let index = path.strip_prefix("/dev/nvidia").unwrap_or_default();
        if !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()) {
            names.push(asked.rsplit("nvidia").next().unwrap_or_default());
        } else if !COMPANIONS.contains(&path.as_str()) {
            return Err(refuse("Devices", asked, "a device of the host"));
        }
    }
    Ok(GpuWish::named(names.into_iter()))
}

fn refuse(field: &'static str, value: impl AsRef<str>, why: &'static str) -> Refused {
    Refused::forbidden(field, value, why, INSTEAD)
}
