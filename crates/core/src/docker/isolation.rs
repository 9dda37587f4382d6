//! What would let a container out: refused, unless an admin allows it.

use std::collections::BTreeSet;

use super::{
    body::{Words, is_empty, list, number, text},
    host_config::HostConfig,
    names::reference,
    plan::Allow,
    refused::Refused,
};

/// What the engine gives to any container: asking for these gives nothing.
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

const LOG_CONFIG: &str = "LogConfig.Config";

/// What a log's driver may be told. Not `max-buffer-size`: it is the engine's memory.
const LOG_OPTIONS: [&str; 7] = [
    "max-size", "max-file", "mode", "compress", "labels", "env", "tag",
];

/// Files of a log at most: each time that one is full the engine renames them all, and ends no container
/// meanwhile.
const LOG_FILES: u32 = 100;

/// Bytes of all files of a log at most: they are on the disk that everybody's containers share.
const LOG_BYTES: f64 = 10e9;

/// Files that a process may have open at most: the kernel counts those on their way over sockets for
/// root in all containers together, and runc may have more, so that none keeps others from starting.
const OPEN_FILES: i64 = 65_536;

const LEAVE: &str = "leave it out";
const ADMIN: &str = "leave it out, or ask an admin to allow it in ds01.toml";

/// Refuses what reaches the host; collects containers whose namespaces are to be shared.
pub(super) fn check(
    host: &HostConfig,
    allow: &Allow,
    joins: &mut BTreeSet<String>,
) -> Result<(), Refused> {
    if host.privileged == Some(true) {
        let why = "it would be root on the host";
        return Err(Refused::forbidden(
            "Privileged",
            "true",
            why,
            "leave it out; GPUs need --gpus only",
        ));
    }
    capabilities(host, allow)?;
    namespaces(host, joins)?;
    security(host)?;
    kernel(host, allow)?;
    host_devices(host)?;
    unset_on_linux(host)?;
    log(host)
}

fn capabilities(host: &HostConfig, allow: &Allow) -> Result<(), Refused> {
    let plain = |name: &str| {
        let name = name.to_ascii_uppercase();
        name.strip_prefix("CAP_").unwrap_or(&name).to_string()
    };
    let added = host.cap_add.as_ref().map_or(&[][..], Words::list);
    for asked in added.iter().chain(list(&host.capabilities)) {
        let name = plain(asked);
        let allowed = DEFAULT_CAPABILITIES.contains(&name.as_str())
            || allow.capabilities.iter().any(|other| plain(other) == name);
        // Every capability at once is never on a list.
        if !allowed || name == "ALL" {
            return Err(forbid(
                "CapAdd",
                asked,
                "a right over more than the container",
                ADMIN,
            ));
        }
    }
    match list(&host.capabilities) {
        [] => Ok(()),
        [name, ..] => Err(Refused::value(
            "Capabilities",
            name,
            "use CapAdd and CapDrop",
        )),
    }
}

fn namespaces(host: &HostConfig, joins: &mut BTreeSet<String>) -> Result<(), Refused> {
    let own = "the host's, or another container's";
    let mut mode = |field, mode: &Option<String>, usual: &[&str], may_join: bool| {
        let mode = text(mode);
        if usual.contains(&mode) {
            return Ok(());
        }
        match mode.strip_prefix("container:") {
            Some(other) if may_join => {
                joins.insert(reference(field, other)?);
                Ok(())
            }
            _ => Err(forbid(field, mode, own, LEAVE)),
        }
    };
    mode("PidMode", &host.pid_mode, &[""], true)?;
    let ipc = ["", "none", "private", "shareable"];
    mode("IpcMode", &host.ipc_mode, &ipc, true)?;
    mode("UTSMode", &host.uts_mode, &[""], false)?;
    mode("UsernsMode", &host.userns_mode, &[""], false)?;
    mode("CgroupnsMode", &host.cgroupns_mode, &["", "private"], false)?;
    mode("Cgroup", &host.cgroup, &[""], false)?;
    for from in list(&host.volumes_from) {
        joins.insert(split_volumes_from(from)?.0);
    }
    Ok(())
}

/// The container and the options of `container`, `container:ro` or `container:rw`.
pub(super) fn split_volumes_from(from: &str) -> Result<(String, &str), Refused> {
    let (name, mode) = from.split_once(':').unwrap_or((from, ""));
    match mode {
        "" | "ro" | "rw" => Ok((reference("VolumesFrom", name)?, mode)),
        _ => Err(Refused::value("VolumesFrom", from, "not container:ro")),
    }
}

fn security(host: &HostConfig) -> Result<(), Refused> {
    for option in list(&host.security_opt) {
        let harmless = [
            "no-new-privileges",
            "no-new-privileges:true",
            "no-new-privileges=true",
        ];
        if !harmless.contains(&option.as_str()) {
            let why = "it takes away protection of the host";
            return Err(forbid("SecurityOpt", option, why, LEAVE));
        }
    }
    for (field, paths) in [
        ("MaskedPaths", &host.masked_paths),
        ("ReadonlyPaths", &host.readonly_paths),
    ] {
        if let Some(paths) = paths {
            let why = "only the engine's own list keeps the host apart";
            return Err(forbid(field, paths.join(","), why, LEAVE));
        }
    }
    if let Some(group) = list(&host.group_add).first() {
        let why = "groups of the host have rights to its files";
        return Err(forbid("GroupAdd", group, why, LEAVE));
    }
    for (field, table) in [
        ("Annotations", &host.annotations),
        ("StorageOpt", &host.storage_opt),
    ] {
        if let Some(key) = table.iter().flatten().map(|(key, _)| key).next() {
            let why = "it goes to the runtime or the disk, past every limit";
            return Err(forbid(field, key, why, LEAVE));
        }
    }
    Ok(())
}

fn kernel(host: &HostConfig, allow: &Allow) -> Result<(), Refused> {
    for (key, value) in host.sysctls.iter().flatten() {
        if !allow.sysctls.contains(key) {
            let value = format!("{key}={value}");
            return Err(forbid("Sysctls", value, "a setting of the kernel", ADMIN));
        }
    }
    for limit in list(&host.ulimits) {
        let name = text(&limit.name);
        if !allow.ulimits.iter().any(|allowed| allowed == name) {
            let why = "it could put processes before those of others";
            return Err(forbid("Ulimits", name, why, ADMIN));
        }
        let (soft, hard) = (number(limit.soft), number(limit.hard));
        let may_have = 0..=OPEN_FILES;
        if name == "nofile" && !(may_have.contains(&soft) && may_have.contains(&hard)) {
            let value = format!("nofile={soft}:{hard}");
            let why = "with more it could keep other containers from starting";
            return Err(forbid("Ulimits", value, why, "ask for 65536 or fewer"));
        }
    }
    let runtime = text(&host.runtime);
    if !runtime.is_empty() && !allow.runtimes.iter().any(|allowed| allowed == runtime) {
        return Err(forbid("Runtime", runtime, "not the engine's own", ADMIN));
    }
    if number(host.oom_score_adj) < 0 {
        let score = number(host.oom_score_adj).to_string();
        let why = "others would be ended in its place";
        return Err(forbid("OomScoreAdj", score, why, LEAVE));
    }
    if host.oom_kill_disable == Some(true) {
        let why = "it would hang where it should end";
        return Err(forbid("OomKillDisable", "true", why, LEAVE));
    }
    if !matches!(host.memory_swappiness.unwrap_or(-1), -1..=100) {
        let value = number(host.memory_swappiness).to_string();
        return Err(Refused::value("MemorySwappiness", value, "0 to 100"));
    }
    let parent = text(&host.cgroup_parent);
    match parent.is_empty() {
        true => Ok(()),
        false => Err(forbid(
            "CgroupParent",
            parent,
            "it would leave the owner's slice",
            LEAVE,
        )),
    }
}

fn host_devices(host: &HostConfig) -> Result<(), Refused> {
    if let Some(rule) = list(&host.device_cgroup_rules).first() {
        let why = "devices of the host";
        return Err(forbid("DeviceCgroupRules", rule, why, LEAVE));
    }
    let rates = [
        ("BlkioDeviceReadBps", &host.blkio_device_read_bps),
        ("BlkioDeviceWriteBps", &host.blkio_device_write_bps),
        ("BlkioDeviceReadIOps", &host.blkio_device_read_iops),
        ("BlkioDeviceWriteIOps", &host.blkio_device_write_iops),
    ];
    let weights = list(&host.blkio_weight_device)
        .first()
        .map(|device| ("BlkioWeightDevice", &device.path));
    let rated = rates
        .into_iter()
        .find_map(|(field, devices)| Some((field, &list(devices).first()?.path)));
    match weights.or(rated) {
        Some((field, path)) => Err(forbid(field, text(path), "a device of the host", LEAVE)),
        None => Ok(()),
    }
}

/// What has no meaning here, or one that is not for users.
fn unset_on_linux(host: &HostConfig) -> Result<(), Refused> {
    let isolation = text(&host.isolation);
    if !matches!(isolation, "" | "default") {
        return Err(Refused::value("Isolation", isolation, "not on Linux"));
    }
    for (field, value) in [
        ("CpuRealtimePeriod", number(host.cpu_realtime_period)),
        ("CpuRealtimeRuntime", number(host.cpu_realtime_runtime)),
    ] {
        if value != 0 {
            let why = "time taken from everybody else";
            return Err(forbid(field, value.to_string(), why, LEAVE));
        }
    }
    let unsigned = |value: Option<u64>| i64::from(value.unwrap_or_default() > 0);
    for (field, value) in [
        ("CpuCount", number(host.cpu_count)),
        ("CpuPercent", number(host.cpu_percent)),
        ("DiskQuota", number(host.disk_quota)),
        ("IOMaximumIOps", unsigned(host.io_maximum_iops)),
        ("IOMaximumBandwidth", unsigned(host.io_maximum_bandwidth)),
    ] {
        if value != 0 {
            return Err(Refused::value(field, value.to_string(), "not on Linux"));
        }
    }
    Ok(())
}

fn log(host: &HostConfig) -> Result<(), Refused> {
    let Some(log) = &host.log_config else {
        return Ok(());
    };
    let driver = text(&log.driver);
    if !matches!(driver, "" | "json-file" | "local" | "none") {
        let why = "it writes elsewhere, as root";
        return Err(forbid("LogConfig.Type", driver, why, "use json-file"));
    }
    log.config.iter().flatten().try_for_each(log_option)?;
    let option = |key| log.config.as_ref().and_then(|options| options.get(key));
    let Some(size) = option("max-size") else {
        return Ok(());
    };
    let files = option("max-file").and_then(|files| files.parse::<f64>().ok());
    match bytes(size).filter(|bytes| bytes * files.unwrap_or(1.0) <= LOG_BYTES) {
        Some(_) => Ok(()),
        None => Err(Refused::value(
            LOG_CONFIG,
            size,
            "max-size is a size such as 100m, and all files are 10g at most",
        )),
    }
}

/// A size as the engine reads that of a log; `None` if it is none, or has no limit.
///
/// Source: docker/go-units, `FromHumanSize`.
fn bytes(size: &str) -> Option<f64> {
    let size = size.to_ascii_lowercase();
    let size = size.strip_suffix('b').unwrap_or(&size);
    let factor = match size.chars().last()? {
        'k' => 1e3,
        'm' => 1e6,
        'g' => 1e9,
        't' => 1e12,
        'p' => 1e15,
        _ => 1.0,
    };
    let number = size.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let number: f64 = number.parse().ok()?;
    (number > 0.0).then_some(number * factor)
}

fn log_option((key, value): (&String, &String)) -> Result<(), Refused> {
    let files = || {
        value
            .parse()
            .is_ok_and(|files| (1..=LOG_FILES).contains(&files))
    };
    match key.as_str() {
        key if !LOG_OPTIONS.contains(&key) => {
            Err(forbid(LOG_CONFIG, key, "not an option for users", LEAVE))
        }
        "max-file" if !files() => Err(Refused::value(LOG_CONFIG, value, "max-file is 1 to 100")),
        // A template of Go can take all memory that there is.
        "tag" if value.contains("{{") => {
            let why = "the engine would work it out";
            Err(forbid(LOG_CONFIG, value, why, "give a tag without {{ }}"))
        }
        _ => Ok(()),
    }
}

/// Whether any table of the driver's options is set, for other bodies of this module.
pub(super) fn no_driver_options(
    field: &'static str,
    options: &Option<super::body::Texts>,
) -> Result<(), Refused> {
    if is_empty(options) {
        return Ok(());
    }
    let keys: Vec<&str> = options
        .iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect();
    let why = "a driver's options work as root";
    Err(forbid(field, keys.join(","), why, "leave the options out"))
}

fn forbid(
    field: &'static str,
    value: impl AsRef<str>,
    why: &'static str,
    instead: &'static str,
) -> Refused {
    Refused::forbidden(field, value, why, instead)
}
