use super::*;

/// A host on which process 7 has no namespace of its own, 42 and 43 share one, and `/home` cannot
/// have devices.
struct Host;

impl Outside for Host {
    fn namespace(&self, file: &str) -> io::Result<PathBuf> {
        Ok(match file {
            "/proc/self/ns/user" | "/proc/7/ns/user" => "user:[1]".into(),
            "/proc/42/ns/user" | "/proc/43/ns/user" => "user:[2]".into(),
            other => other.into(),
        })
    }

    fn flags(&self, path: &str) -> io::Result<Vec<&'static str>> {
        match path {
            "/gone" => Err(io::ErrorKind::NotFound.into()),
            path if path.starts_with("/home") => Ok(vec!["nosuid", "nodev"]),
            _ => Ok(Vec::new()),
        }
    }

    fn is_of_devices(&self, path: &str) -> io::Result<bool> {
        Ok(path == "/dev/snd")
    }
}

/// As [`super::put_apart`] for a bundle at `/b`, which process 5 has made.
fn put_apart(spec: &mut Value, outside: &Host) -> io::Result<Option<Needs>> {
    super::put_apart(spec, Path::new("/b"), (5, Path::new("/own")), outside)
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
        "root": { "path": "rootfs" },
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
    let needs = put_apart(&mut spec, &Host).unwrap().unwrap();
    assert_eq!(needs.root, Path::new("rootfs"));
    assert_eq!(user_of(&spec), Some(&json!({ "type": "user" })));
    let same = json!([{ "containerID": 0, "hostID": 0, "size": 4_294_967_295_u64 }]);
    assert_eq!(spec["linux"]["uidMappings"], same);
    assert_eq!(spec["linux"]["gidMappings"], same);
    assert_eq!(put_apart(&mut spec, &Host).unwrap(), None, "it has one");
}

#[test]
fn what_is_the_hosts_by_an_admins_will_stays_as_it_is() {
    for left_out in ["network", "pid", "ipc", "mount"] {
        let kinds: Vec<_> = USUAL.into_iter().filter(|kind| *kind != left_out).collect();
        let mut spec = spec(&kinds);
        let before = spec.clone();
        assert_eq!(put_apart(&mut spec, &Host).unwrap(), None, "{left_out}");
        assert_eq!(spec, before);
    }
    let mut host = spec(&USUAL);
    // As the engine writes --network=host.
    host["linux"]["namespaces"][1]["path"] = "/var/run/docker/netns/default".into();
    assert_eq!(put_apart(&mut host, &Host).unwrap(), None);
    let mut privileged = spec(&USUAL);
    privileged["process"]["capabilities"]["bounding"] = json!(["CAP_CHOWN", "CAP_SYS_ADMIN"]);
    assert_eq!(put_apart(&mut privileged, &Host).unwrap(), None);
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
    let joined = |network: u32, ipc: u32| {
        let mut spec = spec(&USUAL);
        spec["linux"]["namespaces"][1]["path"] = format!("/proc/{network}/ns/net").into();
        spec["linux"]["namespaces"][4]["path"] = format!("/proc/{ipc}/ns/ipc").into();
        let changed = put_apart(&mut spec, &Host).ok()?;
        Some((changed.is_some(), user_of(&spec).cloned()))
    };
    let user = json!({ "type": "user", "path": "/proc/42/ns/user" });
    assert_eq!(joined(42, 43), Some((true, Some(user))));
    assert_eq!(joined(7, 7), Some((false, None)), "that has none");
    assert_eq!((joined(7, 42), joined(42, 44)), (None, None));
}

#[test]
fn the_modes_of_devices_are_not_for_who_is_root_inside() {
    let mut given = spec(&USUAL);
    given["linux"]["devices"] = json!([{ "path": "/dev/nvidia0", "type": "c" }]);
    given["linux"]["readonlyPaths"] = json!(["/proc/bus"]);
    put_apart(&mut given, &Host).unwrap();
    let paths = given["linux"]["readonlyPaths"].as_array().unwrap();
    for path in ["/proc/bus", "/dev/null", "/dev/tty", "/dev/nvidia0"] {
        assert!(paths.iter().any(|one| one == path), "{path}");
    }
    let mut bare = spec(&USUAL);
    put_apart(&mut bare, &Host).unwrap();
    assert!(bare["linux"]["readonlyPaths"].is_array());
}

#[test]
fn a_folder_gives_no_device_and_keeps_the_options_of_its_file_system() {
    let mounted = |source: &str, destination: &str, options: &[&str]| {
        let mut spec = spec(&USUAL);
        let mount = json!({ "destination": destination, "source": source, "options": options });
        spec["mounts"] = json!([mount]);
        put_apart(&mut spec, &Host).map(|_| spec["mounts"][0]["options"].clone())
    };
    let of = |source: &str, options: &[&str]| mounted(source, "/x", options).unwrap();
    let all = json!(["rbind", "ro", "nodev", "nosuid"]);
    assert_eq!(of("/home/a", &["rbind", "ro", "nodev"]), all);
    assert_eq!(of("/home/a", &["bind"]), json!(["bind", "nosuid", "nodev"]));
    assert_eq!(of("/data", &["rbind"]), json!(["rbind", "nodev"]));
    let volume = mounted("/data", "/dev/x", &["rbind"]).unwrap();
    assert_eq!(volume, json!(["rbind", "nodev"]), "it is no device by that");
    assert_eq!(of("/dev/snd", &["rbind"]), json!(["rbind"]), "an admin's");
    assert_eq!(of("/dev/shm/x", &["rbind"]), json!(["rbind", "nodev"]));
    assert_eq!(of("tmpfs", &["nosuid"]), json!(["nosuid"]));
    assert!(mounted("/gone", "/x", &["rbind"]).is_err());
}

#[test]
fn what_it_may_write_is_told() {
    let mut given = spec(&USUAL);
    given["mounts"] = json!([
        { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"] },
        { "destination": "/w", "source": "/home/a", "options": ["rbind", "rprivate"] },
        { "destination": "/init", "source": "/usr/bin/init", "options": ["bind", "ro"] },
        {
            "destination": "/run",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["noexec", "dev", "size=64m", "mode=700"],
        },
    ]);
    let needs = put_apart(&mut given, &Host).unwrap().unwrap();
    assert_eq!(needs.folders, [Path::new("/home/a")]);
    let memory = Memory {
        source: "/b/memory-0".into(),
        data: "size=64m,mode=700".into(),
        destination: "/run".into(),
    };
    assert_eq!(needs.memory, [memory]);
    let mounted = json!({
        "destination": "/run",
        "type": "bind",
        "source": "/b/memory-0",
        "options": ["bind", "nodev", "noexec"],
    });
    assert_eq!(given["mounts"][3], mounted);
    assert_eq!(given["mounts"][0]["type"], "tmpfs", "runc's own");
}

#[test]
fn a_hook_writes_where_it_did() {
    let mut given = spec(&USUAL);
    let hook = json!({ "path": "/usr/bin/hook", "args": ["hook", "prestart"], "env": ["A=b"] });
    given["hooks"] = json!({ "prestart": [hook], "createContainer": [hook] });
    put_apart(&mut given, &Host).unwrap();
    let called = json!({
        "path": "/own",
        "args": ["ds01-runc", HOOK, "/proc/5/ns/mnt", "/usr/bin/hook", "hook", "prestart"],
        "env": ["A=b"],
    });
    assert_eq!(given["hooks"]["prestart"], json!([called]));
    assert_eq!(
        given["hooks"]["createContainer"],
        json!([hook]),
        "it is the container's"
    );
}
