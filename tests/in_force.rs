//! A change of the configuration counts only if it can be read; and `ds01-slices`, which keeps what
//! could be.

use std::fs;

use ds01_testkit::TestHost;

use crate::support::{
    duties::pass,
    expect::{created, done, failed, with_limit},
};

/// What a host of tests, which does not run systemd, says of slices.
const NO_SLICES: &str =
    "ds01-slices: warning: this host does not run systemd: there are no slices to limit\n";

/// The duty, as a timer runs it.
fn keep(host: &TestHost) {
    let config = host.root().join("etc/ds01.toml");
    let args = ["--config", &*config.to_string_lossy()];
    let kept = host.as_user("root").run("ds01-slices", &args);
    assert_eq!(kept, done("", NO_SLICES));
}

#[test]
fn limits_that_cannot_be_read_leave_those_of_before_in_force_and_it_is_said() {
    let host = TestHost::with_gpus(3);
    with_limit(&host, "max_gpu_equivalents", "2");
    keep(&host);
    let good = host.limits_text();
    host.limits_yaml(&good.replace("max_gpu_equivalents: 2", "max_gpu_equivalents: plenty"));
    let file = host.root().join("etc/resource-limits.yaml");
    let wrong = format!(
        "{}:2: defaults.max_gpu_equivalents: must be a number of GPUs, 0 or more, or null for no \
         limit, not \"plenty\"",
        file.display()
    );
    let told = format!("warning: {wrong}; what was said before holds until an admin mends it\n");
    let create = |name: &str| host.run("container-create", &[name, "--image=ds01-base"]);
    for (name, slot) in [("one", 0), ("two", 1)] {
        let stdout = format!("{name} with GPU {slot}\n");
        assert_eq!(
            create(name),
            done(&stdout, &format!("container-create: {told}"))
        );
    }
    let refused = format!(
        "container-create: {told}\
         container-create: GPU quota reached: 2 of 2 in use, 1 more asked for\n\
         hint: free a GPU with container-retire\n"
    );
    assert_eq!(create("three"), failed(5, &refused));
    let finding = host.as_user("root").run("ds01-doctor", &["--quiet"]);
    let shown =
        format!("wrong    policy: {wrong}; what was said before goes on, and no change counts\n");
    assert!(finding.stdout.contains(&shown), "{}", finding.stdout);

    // Not even a good look keeps what is wrong.
    let config = host.root().join("etc/ds01.toml");
    let args = ["--config", &*config.to_string_lossy()];
    let again = host.as_user("root").run("ds01-slices", &args);
    assert_eq!((again.status, again.stdout.as_str()), (Some(0), ""));
    host.limits_yaml(&good.replace("max_gpu_equivalents: 2", "max_gpu_equivalents: 3"));
    assert_eq!(create("three"), done("three with GPU 2\n", ""));
}

#[test]
fn limits_that_could_never_be_read_grant_nothing() {
    let host = TestHost::new();
    host.limits_yaml("defaults: everything\n");
    let refused = host.run("container-create", &["thesis", "--image=ds01-base"]);
    assert_eq!((refused.status, refused.stdout.as_str()), (Some(2), ""));
    let reason = "nothing is granted on guessed limits";
    assert!(refused.stderr.contains(reason), "{}", refused.stderr);
}

#[test]
fn the_gateway_goes_on_with_the_configuration_that_it_began_with() {
    let host = TestHost::behind_gateway(1);
    created(&host, "thesis");
    let file = host.root().join("etc/ds01.toml");
    fs::write(&file, "[engine]\nsocket = 7\n").unwrap();
    let socket = format!("unix://{}", host.gateway_socket().display());
    let docker = |args: &[&str]| {
        let alice = host.as_user("alice").env("DOCKER_HOST", &socket);
        alice.run("docker", args)
    };
    assert_eq!(docker(&["start", "thesis"]).ok(), "thesis\n");
    assert_eq!(docker(&["rm", "-f", "thesis"]).ok(), "thesis\n");
}

#[test]
fn a_duty_of_a_host_without_limits_says_so_and_makes_nothing() {
    let host = TestHost::with_direct_access(1);
    fs::remove_file(host.root().join("etc/resource-limits.yaml")).unwrap();
    fs::remove_dir_all(host.state_dir()).unwrap();
    let said = format!(
        "this host has no limits: there is no {}/etc/resource-limits.yaml\n\
         hint: write it, as man resource-limits.yaml shows; or name another ds01.toml with \
         --config=<path>\n",
        host.root().display()
    );
    for (duty, args) in [
        ("ds01-idle", &[][..]),
        ("ds01-runtime", &[]),
        ("ds01-holds", &[]),
        ("ds01-queue", &[]),
        ("ds01-slices", &[]),
        ("container-cleanup", &["--system"]),
        ("container-owner-tracker", &[]),
    ] {
        let refused = failed(8, &format!("{duty}: {said}"));
        assert_eq!(pass(&host, duty, args), refused);
        assert!(!host.state_dir().exists(), "{duty}");
    }
}

#[test]
fn only_root_limits_what_others_use() {
    let host = TestHost::new();
    let expected = "ds01-slices: only root may run this\n\
                    hint: as root: sudo ds01-slices --dry-run shows what it would do\n";
    assert_eq!(host.run("ds01-slices", &[]), failed(7, expected));
}

#[test]
fn what_the_engine_can_do_is_asked_anew_after_any_change_of_its_configuration() {
    let host = TestHost::new();
    let folder = host.root().join("etc/docker");
    let kept = |name: &str, second: u32| {
        let script = format!(
            "mkdir -p {0} && echo '{{}}' >{0}/daemon.json && touch -d @{second}.5 {0}/daemon.json",
            folder.display()
        );
        host.as_user("root").run("sh", &["-c", &script]).ok();
        let args = [name, "ds01-base", "--cpu-only"];
        host.run("container-create", &args).ok();
        fs::read_to_string(host.state_dir().join("engine")).unwrap()
    };
    // In the same file, and at the same part of another second.
    assert_ne!(kept("one", 1), kept("two", 2));
}
