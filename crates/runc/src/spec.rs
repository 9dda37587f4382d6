//! A container's specification, as the OCI has it, with a user namespace.
//!
//! Source: OCI Runtime Specification 1.0, "Linux container configuration".

use std::io;

use serde_json::{Value, json};

/// All ids there are: 4294967295 is "none".
const ALL: u64 = 4_294_967_295;

/// What a specification refers to outside of itself.
pub(crate) trait Outside {
    /// Whether this file of a user namespace is the host's own, or that of whoever asks.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn is_ours(&self, namespace: &str) -> io::Result<bool>;

    /// The mount options of the file system there that nobody in a user namespace may take away.
    ///
    /// # Errors
    ///
    /// If there is none.
    fn flags(&self, path: &str) -> io::Result<Vec<&'static str>>;
}

/// Gives a container a user namespace of its own, or that of the one whose other namespaces it
/// shares. Says whether anything was changed: what has one, what may manage the host (`--privileged`,
/// `--cap-add=SYS_ADMIN`) and what has namespaces of the host's stay as they are. The gateway gives
/// none of these to users.
///
/// # Errors
///
/// If it is no specification, or refers to what is not there.
pub(crate) fn put_apart(spec: &mut Value, outside: &impl Outside) -> io::Result<bool> {
    let wrong = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    if is_privileged(spec) {
        return Ok(false);
    }
    let linux = spec["linux"].as_object_mut().ok_or(wrong("no linux"))?;
    let namespaces = linux.get_mut("namespaces").and_then(Value::as_array_mut);
    let namespaces = namespaces.ok_or(wrong("no linux.namespaces"))?;
    let has = |kind: &str| namespaces.iter().any(|one| one["type"] == kind);
    let own = ["ipc", "mount", "network", "pid"]
        .iter()
        .all(|kind| has(kind));
    if has("user") || !own {
        return Ok(false);
    }
    let mut user = json!({ "type": "user" });
    if let Some(shared) = shared(namespaces) {
        // Of a container that began before, or of an admin's: that has none.
        if outside.is_ours(&shared)? {
            return Ok(false);
        }
        user["path"] = shared.into();
    }
    namespaces.push(user);
    let same = json!([{ "containerID": 0, "hostID": 0, "size": ALL }]);
    linux.insert("uidMappings".into(), same.clone());
    linux.insert("gidMappings".into(), same);
    for mount in spec["mounts"].as_array_mut().into_iter().flatten() {
        keep_flags(mount, outside)?;
    }
    Ok(true)
}

/// Whether it may manage the host, as a privileged one may.
fn is_privileged(spec: &Value) -> bool {
    let bounding = spec["process"]["capabilities"]["bounding"].as_array();
    bounding.is_some_and(|all| all.iter().any(|one| one == "CAP_SYS_ADMIN"))
}

/// The user namespace of the process whose other namespaces are joined.
fn shared(namespaces: &[Value]) -> Option<String> {
    let of = |namespace: &Value| -> Option<String> {
        let (process, _) = namespace["path"].as_str()?.rsplit_once("/ns/")?;
        Some(format!("{process}/ns/user"))
    };
    namespaces.iter().find_map(of)
}

/// A folder is mounted with the options that its file system has: in a user namespace runc could
/// not mount it read-only otherwise (EPERM).
fn keep_flags(mount: &mut Value, outside: &impl Outside) -> io::Result<()> {
    let is_bind = |option: &Value| option == "bind" || option == "rbind";
    let source = mount["source"].as_str().map(str::to_string);
    let (Some(source), Some(options)) = (source, mount["options"].as_array_mut()) else {
        return Ok(());
    };
    if !options.iter().any(is_bind) || !options.iter().any(|option| option == "ro") {
        return Ok(());
    }
    for flag in outside.flags(&source)? {
        if !options.iter().any(|option| option == flag) {
            options.push(flag.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host on which process 1 and 7 have no namespace of their own, and `/home` cannot have
    /// devices.
    struct Host;

    impl Outside for Host {
        fn is_ours(&self, namespace: &str) -> io::Result<bool> {
            Ok(matches!(namespace, "/proc/1/ns/user" | "/proc/7/ns/user"))
        }

        fn flags(&self, path: &str) -> io::Result<Vec<&'static str>> {
            match path {
                "/gone" => Err(io::ErrorKind::NotFound.into()),
                path if path.starts_with("/home") => Ok(vec!["nosuid", "nodev"]),
                _ => Ok(Vec::new()),
            }
        }
    }

    const USUAL: [&str; 5] = ["mount", "network", "uts", "pid", "ipc"];

    /// As the engine writes it.
    fn spec(namespaces: &[&str]) -> Value {
        let namespaces = namespaces.iter().map(|kind| json!({ "type": kind }));
        json!({
            "linux": {
                "namespaces": namespaces.collect::<Vec<_>>(),
            },
            "process": { "capabilities": { "bounding": ["CAP_CHOWN", "CAP_SETUID"] } },
            "mounts": [
                { "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"] },
            ],
        })
    }

    fn user_of(spec: &Value) -> Option<&Value> {
        let namespaces = spec["linux"]["namespaces"].as_array()?;
        namespaces.iter().find(|one| one["type"] == "user")
    }

    #[test]
    fn a_container_gets_a_namespace_in_which_all_ids_are_the_same() {
        let mut spec = spec(&USUAL);
        assert!(put_apart(&mut spec, &Host).unwrap());
        assert_eq!(user_of(&spec), Some(&json!({ "type": "user" })));
        let same = json!([{ "containerID": 0, "hostID": 0, "size": 4_294_967_295_u64 }]);
        assert_eq!(spec["linux"]["uidMappings"], same);
        assert_eq!(spec["linux"]["gidMappings"], same);
        assert!(!put_apart(&mut spec, &Host).unwrap(), "it has one");
    }

    #[test]
    fn what_is_the_hosts_by_an_admins_will_stays_as_it_is() {
        for left_out in ["network", "pid", "ipc", "mount"] {
            let kinds: Vec<_> = USUAL.into_iter().filter(|kind| *kind != left_out).collect();
            let mut spec = spec(&kinds);
            let before = spec.clone();
            assert!(!put_apart(&mut spec, &Host).unwrap(), "{left_out}");
            assert_eq!(spec, before);
        }
        let mut privileged = spec(&USUAL);
        privileged["process"]["capabilities"]["bounding"] = json!(["CAP_CHOWN", "CAP_SYS_ADMIN"]);
        assert!(!put_apart(&mut privileged, &Host).unwrap());
        for odd in [
            json!({}),
            json!({ "linux": {} }),
            json!({ "linux": { "namespaces": 1 } }),
        ] {
            assert!(put_apart(&mut odd.clone(), &Host).is_err(), "{odd}");
        }
    }

    #[test]
    fn who_shares_namespaces_shares_this_one() {
        let joined = |process: u32| {
            let mut spec = spec(&USUAL);
            spec["linux"]["namespaces"][1]["path"] = format!("/proc/{process}/ns/net").into();
            let changed = put_apart(&mut spec, &Host).unwrap();
            (changed, user_of(&spec).cloned())
        };
        let user = json!({ "type": "user", "path": "/proc/42/ns/user" });
        assert_eq!(joined(42), (true, Some(user)));
        assert_eq!(joined(7), (false, None), "that has none");
    }

    #[test]
    fn a_folder_that_is_read_only_keeps_the_options_of_its_file_system() {
        let mounted = |source: &str, options: &[&str]| {
            let mut spec = spec(&USUAL);
            let mount = json!({ "destination": "/x", "source": source, "options": options });
            spec["mounts"] = json!([mount]);
            put_apart(&mut spec, &Host).map(|_| spec["mounts"][0]["options"].clone())
        };
        let of = |source: &str, options: &[&str]| mounted(source, options).unwrap();
        let all = json!(["rbind", "ro", "nodev", "nosuid"]);
        assert_eq!(of("/home/a", &["rbind", "ro", "nodev"]), all);
        assert_eq!(of("/home/a", &["rbind"]), json!(["rbind"]));
        assert_eq!(of("/data", &["rbind", "ro"]), json!(["rbind", "ro"]));
        assert!(mounted("/gone", &["rbind", "ro"]).is_err());
    }
}
