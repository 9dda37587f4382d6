//! A container's specification, as the OCI has it, with a user namespace.
//!
//! Source: OCI Runtime Specification 1.0, "Linux container configuration".

use std::{
    io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

/// The word by which [`crate::call_outside`] is asked for: none of runc's.
pub(crate) const HOOK: &str = "ds01-hook";

/// All ids there are: 4294967295 is "none".
const ALL: u64 = 4_294_967_295;

/// Devices that runc makes for each container.
const USUAL_DEVICES: [&str; 6] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
];

/// What runc is to have for a container.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The container's root.
    pub(crate) root: PathBuf,
    /// The folders and files of the host that it may write in.
    pub(crate) folders: Vec<PathBuf>,
    /// Its file systems in memory.
    pub(crate) memory: Vec<Memory>,
}

/// A file system in memory. runc sets the mode of one by its path, as root: it is mounted before, and
/// for runc it is a folder of the host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Where it is to be mounted on the host.
    pub(crate) source: PathBuf,
    /// Its own options, such as `size=64m`.
    pub(crate) data: String,
    /// Where the container has it.
    pub(crate) destination: String,
}

/// What a specification refers to outside of itself.
pub(crate) trait Outside {
    /// The namespace that a file of a process stands for.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn namespace(&self, file: &str) -> io::Result<PathBuf>;

    /// The mount options of the file system there that nobody in a user namespace may take away.
    ///
    /// # Errors
    ///
    /// If there is none.
    fn flags(&self, path: &str) -> io::Result<Vec<&'static str>>;

    /// Whether that is in the file system of the host's own devices, in which nobody but root makes any.
    ///
    /// # Errors
    ///
    /// If there is none.
    fn is_of_devices(&self, path: &str) -> io::Result<bool>;
}

/// Gives a container a user namespace of its own, or that of the one whose other namespaces it
/// shares, and lets it open no device of an image or a volume; says what it needs. Its file systems in
/// memory are to be mounted in its `bundle`; what the engine has done outside of it while it is made,
/// as its own hook or NVIDIA's, is done in the mount namespace of a process. `None` if nothing was
/// changed: what has one, what may manage the host (`--privileged`,
/// `--cap-add=SYS_ADMIN`) and what has namespaces of the host's stay as they are. The gateway gives
/// none of these to users, unless `ds01.toml` allows them that capability.
///
/// # Errors
///
/// If it is no specification, or refers to what is not there; if it shares namespaces of containers
/// that have different user namespaces.
pub(crate) fn put_apart(
    spec: &mut Value,
    bundle: &Path,
    called_by: (u32, &Path),
    outside: &impl Outside,
) -> io::Result<Option<Needs>> {
    if is_privileged(spec) {
        return Ok(None);
    }
    let linux = spec["linux"].as_object_mut().ok_or(wrong("no linux"))?;
    let namespaces = linux.get_mut("namespaces").and_then(Value::as_array_mut);
    let namespaces = namespaces.ok_or(wrong("no linux.namespaces"))?;
    let Some(user) = user_namespace(namespaces, outside)? else {
        return Ok(None);
    };
    namespaces.push(user);
    // runc 1.1 wants these beside the path of a namespace too; later releases compare them.
    let same = json!([{ "containerID": 0, "hostID": 0, "size": ALL }]);
    linux.insert("uidMappings".into(), same.clone());
    linux.insert("gidMappings".into(), same);
    keep_devices(linux);
    let root = spec["root"]["path"].as_str().ok_or(wrong("no root.path"))?;
    let mut needs = Needs {
        root: root.into(),
        folders: Vec::new(),
        memory: Vec::new(),
    };
    for mount in spec["mounts"].as_array_mut().into_iter().flatten() {
        if is_bind(mount) {
            without_devices(mount, outside)?;
            let written = !has_option(mount, "ro");
            let source = mount["source"].as_str().filter(|_| written);
            needs.folders.extend(source.map(PathBuf::from));
        } else if mount["type"] == "tmpfs" && mount["destination"] != "/dev" {
            let source = bundle.join(format!("memory-{}", needs.memory.len()));
            needs.memory.push(in_memory(mount, source)?);
        }
    }
    for stage in ["prestart", "createRuntime"] {
        let hooks = spec["hooks"][stage].as_array_mut();
        for hook in hooks.into_iter().flatten() {
            call_outside(hook, called_by)?;
        }
    }
    Ok(Some(needs))
}

fn is_bind(mount: &Value) -> bool {
    has_option(mount, "bind") || has_option(mount, "rbind")
}

fn has_option(mount: &Value, option: &str) -> bool {
    let options = mount["options"].as_array();
    options.is_some_and(|options| options.iter().any(|one| one == option))
}

/// Has a file system in memory taken from where it is mounted.
fn in_memory(mount: &mut Value, source: PathBuf) -> io::Result<Memory> {
    let destination = mount["destination"].as_str();
    let destination = destination.ok_or(wrong("a mount without destination"))?;
    let options = mount["options"].as_array().into_iter().flatten();
    let (of_mount, data): (Vec<_>, Vec<_>) = options
        .filter_map(Value::as_str)
        // As `size=64m`: those of the mount are words.
        .partition(|option| !option.contains('='));
    let memory = Memory {
        data: data.join(","),
        destination: destination.into(),
        source,
    };
    let more = of_mount
        .into_iter()
        .filter(|option| !option.ends_with("dev"));
    let options: Vec<_> = ["bind", "nodev"].into_iter().chain(more).collect();
    let options = json!(options);
    mount["type"] = "bind".into();
    mount["source"] = memory.source.to_string_lossy().into();
    mount["options"] = options;
    Ok(memory)
}

/// Has a hook called by `own`, see [`crate::call_outside`], in the mount namespace of a process.
fn call_outside(hook: &mut Value, (process, own): (u32, &Path)) -> io::Result<()> {
    let path = hook["path"].as_str().ok_or(wrong("a hook without path"))?;
    let fixed = ["ds01-runc", HOOK, &format!("/proc/{process}/ns/mnt"), path].map(Value::from);
    let args = hook["args"].as_array().into_iter().flatten().cloned();
    hook["args"] = fixed.into_iter().chain(args).collect();
    hook["path"] = own.to_string_lossy().into();
    Ok(())
}

fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The user namespace that goes with these; `None` if it is the host's.
fn user_namespace(namespaces: &[Value], outside: &impl Outside) -> io::Result<Option<Value>> {
    let has = |kind: &str| namespaces.iter().any(|one| one["type"] == kind);
    let own = ["ipc", "mount", "network", "pid"];
    if has("user") || !own.into_iter().all(has) {
        return Ok(None);
    }
    // `/proc/<pid>/ns/net` is another container's; `/var/run/docker/netns/default` is the host's.
    let user = |path: &str| -> Option<String> {
        let (process, _) = path.strip_prefix("/proc/")?.split_once("/ns/")?;
        Some(format!("/proc/{process}/ns/user"))
    };
    let paths = namespaces.iter().filter_map(|one| one["path"].as_str());
    let Some(shared) = paths.map(user).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let Some(first) = shared.first() else {
        return Ok(Some(json!({ "type": "user" })));
    };
    let namespace = outside.namespace(first)?;
    for other in &shared {
        if outside.namespace(other)? != namespace {
            return Err(wrong("it joins containers whose user namespaces differ"));
        }
    }
    // One that began before, or an admin's, has none.
    let is_hosts = namespace == outside.namespace("/proc/self/ns/user")?;
    Ok((!is_hosts).then(|| json!({ "type": "user", "path": first })))
}

/// Whether it may manage the host, as a privileged one may.
fn is_privileged(spec: &Value) -> bool {
    let bounding = spec["process"]["capabilities"]["bounding"].as_array();
    bounding.is_some_and(|all| all.iter().any(|one| one == "CAP_SYS_ADMIN"))
}

/// Leaves the modes of devices alone: in a user namespace they are the host's own, where runc makes
/// new ones otherwise, and root inside could take them away from everybody. They are read and written
/// as ever.
fn keep_devices(linux: &mut Map<String, Value>) {
    let more = linux.get("devices").and_then(Value::as_array);
    let more = more.into_iter().flatten();
    let more = more.filter_map(|device| Some(device["path"].as_str()?.to_string()));
    let usual = USUAL_DEVICES.into_iter().map(String::from);
    let devices: Vec<_> = usual.chain(more).map(Value::from).collect();
    match linux.get_mut("readonlyPaths").and_then(Value::as_array_mut) {
        Some(paths) => paths.extend(devices),
        None => drop(linux.insert("readonlyPaths".into(), devices.into())),
    }
}

/// Mounts a folder or a volume so that no device node in it can be opened, which the engine may have
/// copied there from an image, and with the options that its file system has: in a user namespace runc
/// could not mount it otherwise (EPERM). What is of the host's `/dev` is an admin's to give, and stays.
fn without_devices(mount: &mut Value, outside: &impl Outside) -> io::Result<()> {
    let source = mount["source"].as_str().map(str::to_string);
    let (Some(source), Some(options)) = (source, mount["options"].as_array_mut()) else {
        return Ok(());
    };
    let mut more = outside.flags(&source)?;
    if !outside.is_of_devices(&source)? {
        more.push("nodev");
    }
    for flag in more {
        if !options.iter().any(|option| option == flag) {
            options.push(flag.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
