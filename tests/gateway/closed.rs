//! While runc makes a container it can write to nothing of the host but what is the container's.

use std::{fs, path::Path};

use ds01_testkit::TestHost;
use serde_json::{Value, json};

use super::docker;
use crate::support::expect::done;

/// A bundle as containerd makes one, with these hooks; `/w` in it is a folder of alice's.
fn bundle(host: &TestHost, hooks: &Value) {
    let root = host.root().to_string_lossy();
    let made = host.as_user("root").in_dir(&root);
    let script = "set -e; mkdir -p b/rootfs/bin; cp /bin/busybox b/rootfs/bin/sh; runc spec -b b";
    made.run("sh", &["-c", script]).ok();
    let file = host.root().join("b/config.json");
    let mut spec: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    spec["process"]["terminal"] = false.into();
    spec["linux"]["cgroupsPath"] = format!("/{}", name(host)).into();
    spec["hooks"] = hooks.clone();
    let folder = json!({
        "destination": "/w",
        "type": "bind",
        "source": format!("{root}/home/alice"),
        "options": ["rbind"],
    });
    spec["mounts"].as_array_mut().unwrap().push(folder);
    fs::write(file, spec.to_string()).unwrap();
}

/// Of one test host alone, as the control group is the machine's.
fn name(host: &TestHost) -> String {
    let root = host.root().file_name().unwrap_or_default();
    root.to_string_lossy().into_owned()
}

fn calls(script: &str) -> Value {
    json!([{ "path": "/bin/sh", "args": ["its-name", "-c", script] }])
}

#[test]
fn runc_writes_in_a_containers_own_alone() {
    let host = TestHost::behind_gateway(1);
    let root = host.root().to_string_lossy();
    fs::write(host.root().join("etc/secret"), "its own\n").unwrap();
    let tries = [
        "mkdir /etc/made".into(),
        "chmod 4755 /etc/secret".into(),
        "truncate -s 0 /etc/secret".into(),
        format!("mkdir /dev/{0} && rmdir /dev/{0}", name(&host)),
        format!("mkdir {root}/b/../made"),
        format!("mkdir {root}/runc/of-others"),
        format!("mkdir {root}/home/bob/made"),
    ];
    let own = format!("mkdir {root}/home/alice/made {root}/b/rootfs/made");
    let all = tries.iter().chain([&own]);
    let all: Vec<_> = all
        .map(|one| format!("{{ {one}; }} 2>&1; echo $?;"))
        .collect();
    let hooks = json!({
        // As the process that mounts, before it leaves the host's files.
        "createContainer": calls(&format!("{{ {} }} >{root}/b/rootfs/told", all.concat())),
        "createRuntime": calls(&format!("echo $0 >{root}/outside")),
    });
    bundle(&host, &hooks);
    let script = format!(
        "set -e; cd b; ds01-runc --root ../runc --log $PWD/log.json create --pid-file $PWD/pid {0}
         test -d /proc/$(cat pid); ds01-runc --root ../runc delete --force {0}",
        name(&host)
    );
    let made = host.as_user("root").in_dir(&root);
    assert_eq!(made.run("sh", &["-c", &script]), done("", ""));
    assert_eq!(fs::read_dir(host.root().join("runc")).unwrap().count(), 0);

    let told = fs::read_to_string(host.root().join("b/rootfs/told")).unwrap();
    let told: Vec<_> = told.lines().collect();
    assert_eq!(told.len(), 2 * tries.len() + 1, "{told:?}");
    for (said, attempt) in told.chunks(2).zip(&tries) {
        assert!(
            said[0].ends_with("Read-only file system"),
            "{attempt}: {said:?}"
        );
    }
    assert_eq!(told.last(), Some(&"0"), "{told:?}");
    let is = |path: &str| host.root().join(path).exists();
    assert!(is("home/alice/made") && is("b/rootfs/made"));
    // By its own name: the engine's hook goes by that.
    let outside = fs::read_to_string(host.root().join("outside")).unwrap();
    assert_eq!(outside, "its-name\n");
    let secret = host.root().join("etc/secret");
    assert_eq!(fs::read_to_string(secret).unwrap(), "its own\n");
}

#[test]
fn mounts_in_mounts_are_as_docker_makes_them() {
    let host = TestHost::behind_gateway(1);
    let folder = [
        "-v",
        "/home/alice:/w",
        "-v",
        "volume:/w/v",
        "-u",
        "20001:20001",
    ];
    let memory = [
        "--tmpfs",
        "/w/m:size=1m,mode=1770,uid=20001",
        "--tmpfs",
        "/usr",
    ];
    let script = "stat -c %a /w/m; grep -o 'nodev.*size=1024k' /proc/self/mounts; echo x >/w/m/x";
    let run = [
        &["run", "--rm"],
        &folder[..],
        &memory,
        &["ds01-base", "/bin/sh", "-c", script],
    ];
    let said = docker(&host, "alice", &run.concat());
    assert_eq!(said, done("1770\nnodev,noexec,relatime,size=1024k\n", ""));
    for made in ["v", "m"] {
        assert!(Path::new(&host.home("alice")).join(made).is_dir());
    }
}
