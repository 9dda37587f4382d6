//! Nothing makes a user root on the host.

use ds01_testkit::TestHost;

use super::{done, refused, sleeper};

#[test]
fn what_reaches_the_host_is_refused_in_every_spelling() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "bob", "theirs", &[]);
    let forbidden = |field: &str, value: &str, why: &str, instead: &str| {
        format!("not allowed: {field}={value} ({why}); {instead}")
    };
    let (right, admin) = (
        "a right over more than the container",
        "leave it out, or ask an admin to allow it in ds01.toml",
    );
    let (leave, own) = ("leave it out", "the host's, or another container's");
    let device = "ask for GPUs with --gpus, as in --gpus 1";
    let cases: &[(&[&str], String)] = &[
        (
            &["--privileged"],
            forbidden(
                "Privileged",
                "true",
                "it would be root on the host",
                "leave it out; GPUs need --gpus only",
            ),
        ),
        (
            &["--cap-add", "SYS_ADMIN"],
            forbidden("CapAdd", "CAP_SYS_ADMIN", right, admin),
        ),
        (
            &["--cap-add", "cap_sys_ptrace"],
            forbidden("CapAdd", "CAP_SYS_PTRACE", right, admin),
        ),
        (
            &["--cap-add", "all"],
            forbidden("CapAdd", "ALL", right, admin),
        ),
        (&["--pid", "host"], forbidden("PidMode", "host", own, leave)),
        (&["--ipc", "host"], forbidden("IpcMode", "host", own, leave)),
        (&["--uts", "host"], forbidden("UTSMode", "host", own, leave)),
        (
            &["--userns", "host"],
            forbidden("UsernsMode", "host", own, leave),
        ),
        (
            &["--cgroupns", "host"],
            forbidden("CgroupnsMode", "host", own, leave),
        ),
        (
            &["--network", "host"],
            forbidden(
                "NetworkMode",
                "host",
                "the host's network",
                "publish ports with -p instead",
            ),
        ),
        (
            &["--device", "/dev/kmsg"],
            forbidden("Devices", "/dev/kmsg", "a device of the host", device),
        ),
        (
            &["--device", "/dev/nvidia0/../mem"],
            forbidden("Devices", "/dev/mem", "a device of the host", device),
        ),
        (
            &["--device-cgroup-rule", "c *:* rwm"],
            forbidden(
                "DeviceCgroupRules",
                "c *:* rwm",
                "devices of the host",
                leave,
            ),
        ),
        (
            &["--security-opt", "seccomp=unconfined"],
            forbidden(
                "SecurityOpt",
                "seccomp=unconfined",
                "it takes away protection of the host",
                leave,
            ),
        ),
        (
            &["--security-opt", "apparmor=unconfined"],
            forbidden(
                "SecurityOpt",
                "apparmor=unconfined",
                "it takes away protection of the host",
                leave,
            ),
        ),
        (
            &["--security-opt", "systempaths=unconfined"],
            forbidden(
                "MaskedPaths",
                "",
                "only the engine's own list keeps the host apart",
                leave,
            ),
        ),
        (
            &["--security-opt", "no-new-privileges=false"],
            forbidden(
                "SecurityOpt",
                "no-new-privileges=false",
                "it takes away protection of the host",
                leave,
            ),
        ),
        (
            &["--group-add", "0"],
            forbidden(
                "GroupAdd",
                "0",
                "groups of the host have rights to its files",
                leave,
            ),
        ),
        (
            &["--sysctl", "kernel.shmmax=1"],
            forbidden(
                "Sysctls",
                "kernel.shmmax=1",
                "a setting of the kernel",
                admin,
            ),
        ),
        (
            &["--ulimit", "rtprio=99"],
            forbidden(
                "Ulimits",
                "rtprio",
                "it could put processes before those of others",
                admin,
            ),
        ),
        (
            &["--runtime", "other"],
            forbidden("Runtime", "other", "not the engine's own", admin),
        ),
        (
            &["--cgroup-parent", "/"],
            forbidden(
                "CgroupParent",
                "/",
                "it would leave the owner's slice",
                leave,
            ),
        ),
        (
            &["--oom-score-adj", "-1000"],
            forbidden(
                "OomScoreAdj",
                "-1000",
                "others would be ended in its place",
                leave,
            ),
        ),
        (
            &["--log-driver", "syslog"],
            forbidden(
                "LogConfig.Type",
                "syslog",
                "it writes elsewhere, as root",
                "use json-file",
            ),
        ),
        (
            &["--storage-opt", "size=1T"],
            forbidden(
                "StorageOpt",
                "size",
                "it goes to the runtime or the disk, past every limit",
                leave,
            ),
        ),
        (
            &["-p", "80:80"],
            forbidden(
                "HostPort",
                "80",
                "below 1024, a port of the host itself",
                "publish it on a port from 1024 up, as in -p 8080:80",
            ),
        ),
        (
            &["--volume-driver", "nfs", "-v", "data:/x"],
            forbidden(
                "VolumeDriver",
                "nfs",
                "a driver works as root",
                "use a volume of the default driver, without options",
            ),
        ),
        (
            &[
                "--mount",
                "type=volume,source=data,target=/x,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/",
            ],
            forbidden(
                "Mounts.VolumeOptions.DriverConfig",
                "",
                "a driver and its options work as root",
                "use a volume of the default driver, without options",
            ),
        ),
        (
            &[
                "--mount",
                "type=bind,source=/home/alice,target=/x,bind-propagation=rshared",
            ],
            forbidden(
                "Propagation",
                "rshared",
                "mounts would go from the host to the container or back",
                "leave it out, or use rprivate",
            ),
        ),
        (
            &["--pid", "container:theirs"],
            "No such container: theirs".into(),
        ),
        (
            &["--ipc", "container:theirs._.20002"],
            "No such container: theirs._.20002".into(),
        ),
        (
            &["--network", "container:theirs"],
            "No such container: theirs".into(),
        ),
        (
            &["--volumes-from", "theirs"],
            "No such container: theirs".into(),
        ),
        (&["--link", "theirs"], "No such container: theirs".into()),
        (
            &[
                "-v",
                "/run/nvidia-container-devices:/run/nvidia-container-devices/all",
            ],
            forbidden(
                "Binds",
                "/run/nvidia-container-devices/all",
                "it selects GPUs",
                device,
            ),
        ),
    ];
    for (flags, said) in cases {
        let create = [&["create"], *flags, &["ds01-base"]].concat();
        let whole = refused(&host, "alice", &create);
        // The client takes a 404 for the image's, and says so first.
        let daemon = whole.rsplit("Error response from daemon: ").next();
        // Newer ones write capabilities out.
        let plain = |said: &str| said.to_uppercase().replace("=CAP_", "=");
        assert_eq!(daemon.map(plain), Some(plain(said)), "{flags:?}");
    }
    let options = [
        &[
            "volume",
            "create",
            "-o",
            "type=none",
            "-o",
            "o=bind",
            "-o",
            "device=/",
            "root",
        ][..],
        &["volume", "create", "-d", "nfs", "root"],
        &["network", "create", "-d", "macvlan", "net"],
        &[
            "network",
            "create",
            "-o",
            "com.docker.network.bridge.name=eth0",
            "net",
        ],
        &["network", "create", "--subnet", "10.0.0.0/8", "net"],
        &["plugin", "install", "x"],
        &["swarm", "init"],
        &["update", "--memory", "64g", "mine"],
        &["exec", "--privileged", "mine", "id"],
    ];
    sleeper(&host, "alice", "mine", &[]);
    for args in options {
        refused(&host, "alice", args);
    }
    assert_eq!(
        done(&host, "alice", &["ps", "-a", "--format", "{{.Names}}"]),
        "mine"
    );
    // What every container may is not in the way.
    let plain = [
        "run",
        "--rm",
        "--init",
        "--cap-add",
        "CHOWN",
        "--cap-drop",
        "NET_RAW",
        "--ulimit",
        "nofile=99:99",
        "--tmpfs",
        "/scratch:size=1m",
        "--shm-size",
        "1m",
        "--pid",
        "container:mine",
        "-p",
        "18080:80",
        "--network",
        "none",
        "--user",
        "0",
        "--security-opt",
        "no-new-privileges",
        "ds01-base",
        "sh",
        "-c",
        "ulimit -n; id -u",
    ];
    assert_eq!(done(&host, "alice", &plain), "99\n0");
}

#[test]
fn a_container_that_says_too_much_does_not_fill_the_disk() {
    let host = TestHost::behind_gateway(1);
    let log = |name: &str| {
        sleeper(&host, "alice", name, &[]);
        let shown = "{{json .HostConfig.LogConfig}}";
        done(&host, "alice", &["inspect", "-f", shown, name])
    };
    let limited = r#"{"Type":"json-file","Config":{"max-file":"3","max-size":"100m"}}"#;
    assert_eq!(log("one"), limited);
    let more = "\n[containers]\nlog_size = \"2m\"\nlog_files = 1\n";
    let config = host.config_text();
    host.config(&(config.clone() + more));
    assert_eq!(log("two"), limited.replace("100m", "2m").replace('3', "1"));
    host.config(&(config + "\n[containers]\nlog_size = \"\"\n"));
    assert_eq!(log("three"), r#"{"Type":"json-file","Config":{}}"#);
}
