//! `container-create`: what is made.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
};

use ds01_testkit::{TestHost, USERS};

use crate::support::expect::{
    ALICE, done, engine_name, failed, image, inside, inspect, running, uuid, with_config,
    with_limit,
};

mod refused;
mod unreachable;

const CREATE: &str = "container-create";

#[test]
fn it_prints_the_name_and_the_devices_and_starts_nothing() {
    let host = TestHost::with_gpus(2);
    let made = host.run(CREATE, &["Thesis", "--image=ds01-base"]);
    assert_eq!(made, done("thesis with GPU 0\n", ""));
    let state = inspect(&host, &engine_name("thesis"), "{{.State.Status}}");
    assert_eq!(state, "created");
    assert!(host.gpus().given().is_empty());
    let made = host.run(CREATE, &["editing", "ds01-base", "--cpu-only"]);
    assert_eq!(made, done("editing without GPU\n", ""));
}

#[test]
fn inside_one_is_oneself_at_home_and_alone_on_ones_devices() {
    let host = TestHost::with_gpus(2);
    host.as_user("bob")
        .run(CREATE, &["first", "--image=ds01-base"])
        .ok();
    for base in ["ds01-base", "ds01-busybox"] {
        let name = base.strip_prefix("ds01-").unwrap();
        host.run(CREATE, &[name, "--image", base]).ok();
        host.run("container-start", &[name]).ok();
        let script = "id -u; id -g; whoami; echo $HOME $USER $LOGNAME; pwd; hostname; stat -c %u:%g $HOME\n\
                      touch ~/here /workspace/there && cat /proc/1/comm\n\
                      grep -E '^(NoNewPrivs|CapEff)' /proc/self/status; echo $NVIDIA_VISIBLE_DEVICES\n";
        let expected = format!(
            "{ALICE}\n{ALICE}\nalice\n/home/alice alice alice\n/workspace\n{name}\n{ALICE}:{ALICE}\n\
             docker-init\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n{}\n",
            uuid(1)
        );
        assert_eq!(inside(&host, name, script), expected, "{base}");
        assert_eq!(host.gpus().given().last().unwrap().devices, [uuid(1)]);
        host.run("container-remove", &[name, "--stop"]).ok();
    }
}

#[test]
fn a_container_without_gpu_sees_none_even_if_its_image_asks_for_all() {
    let host = TestHost::new();
    let all = "ENV NVIDIA_VISIBLE_DEVICES=all";
    image(&host, "wants-all", "ds01-base", &[], &[all]);
    host.run(CREATE, &["editing", "wants-all", "--cpu-only"])
        .ok();
    host.run("container-start", &["editing"]).ok();
    let seen = inside(&host, "editing", "echo $NVIDIA_VISIBLE_DEVICES\n");
    assert_eq!(seen, "void\n");
    assert!(host.gpus().given().is_empty());
}

#[test]
fn the_engine_gets_the_limits_and_nothing_that_widens_rights() {
    let host = TestHost::with_direct_access(1);
    running(&host, "thesis");
    let template = "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} \
                    {{.HostConfig.ShmSize}} {{.HostConfig.PidsLimit}} {{.HostConfig.Init}} \
                    {{.HostConfig.SecurityOpt}} {{json .HostConfig.CapAdd}} {{.HostConfig.Privileged}} \
                    {{.HostConfig.NetworkMode}} {{.HostConfig.PidMode}} {{.HostConfig.IpcMode}} \
                    {{json .HostConfig.Binds}} {{.HostConfig.RestartPolicy.Name}} {{.Config.User}} \
                    {{.Config.Hostname}} {{.Config.WorkingDir}} {{range .HostConfig.DeviceRequests}}{{.DeviceIDs}} {{.Capabilities}} {{.Count}};{{end}}";
    let mib = 1024 * 1024;
    let expected = format!(
        "1000000000 {} {} {} 256 true [no-new-privileges] null false default  private null \
         no {ALICE}:{ALICE} thesis /workspace [{}] [[gpu]] 0;",
        256 * mib,
        256 * mib,
        64 * mib,
        uuid(0)
    );
    assert_eq!(inspect(&host, &engine_name("thesis"), template), expected);
    let mounts = "{{range .Mounts}}{{.Type}} {{.Source}} {{.Destination}} {{.RW}};{{end}}";
    assert_eq!(
        inspect(&host, &engine_name("thesis"), mounts),
        "bind /home/alice/workspace/thesis /workspace true;"
    );
}

#[test]
fn more_cpus_than_the_host_has_are_clamped_and_it_says_so() {
    let host = TestHost::new();
    with_limit(&host, "max_cpus", "5000");
    let cpus = std::thread::available_parallelism().unwrap();
    let made = host.run(CREATE, &["thesis", "ds01-base"]);
    let warning =
        format!("container-create: warning: limited to the {cpus} CPUs that this host has\n");
    assert_eq!(made, done("thesis with GPU 0\n", &warning));
    let given = inspect(&host, &engine_name("thesis"), "{{.HostConfig.NanoCpus}}");
    assert_eq!(given, format!("{cpus}000000000"));
}

#[test]
fn the_labels_are_those_of_the_contract() {
    let host = TestHost::with_topology("a100-mig");
    with_limit(&host, "max_gpu_slots_per_container", "2");
    let comma = "LABEL vendor=\"one, two\"";
    image(&host, "lab/torch:2.8", "ds01-base", &[], &[comma]);
    fs::create_dir_all(host.home("alice").join("sets")).unwrap();
    let args = [
        "thesis",
        "lab/torch:2.8",
        "--gpu=2",
        "--data=/home/alice/sets",
    ];
    host.run(CREATE, &args).ok();
    let template = "{{range $key, $value := .Config.Labels}}{{$key}}={{$value}}\n{{end}}";
    let labels = inspect(&host, &engine_name("thesis"), template);
    let created = labels.lines().find_map(|l| l.strip_prefix("ds01.created="));
    let created = created.unwrap();
    assert!(created.len() == 20 && created.ends_with('Z'), "{created}");
    let devices = host.gpus().uuids();
    let expected = format!(
        "aime.mlc=alice\naime.mlc.DATA_MOUNT=/home/alice/sets\naime.mlc.FRAMEWORK=torch-2.8\n\
         aime.mlc.GPUS=2\naime.mlc.NAME=thesis\naime.mlc.USER=alice\naime.mlc.VERSION=3\n\
         aime.mlc.WORK_MOUNT=/home/alice/workspace/thesis\nds01.container_type=ds01\n\
         ds01.created={created}\nds01.framework=torch-2.8\nds01.gpu.slots=1:3 2:2\n\
         ds01.gpu.uuids={} {}\nds01.group=student\nds01.image=lab/torch:2.8\n\
         ds01.interface=atomic\nds01.managed=true\nds01.name=thesis\nds01.project=thesis\n\
         ds01.slice=ds01-student-alice.slice\nds01.uid={ALICE}\nds01.user=alice\n\
         ds01.work_mount=/home/alice/workspace/thesis\nvendor=one%2C two",
        devices[4], devices[7]
    );
    assert_eq!(labels, expected);
}

#[test]
fn the_image_is_the_named_one_else_the_projects_else_the_hosts() {
    let host = TestHost::new();
    let none = host.run(CREATE, &["thesis", "--cpu-only"]);
    let expected = "container-create: you have no project thesis, and this host has no \
                    default image\nhint: make a project first, with \
                    project-init thesis; or choose from image-list --all: container-create \
                    thesis --image=<image>\n";
    assert_eq!(none, failed(3, expected));
    let made_from = |args: &[&str]| {
        let args = [args, &["--cpu-only"]].concat();
        host.run(CREATE, &args).ok();
        let image = inspect(
            &host,
            &engine_name(args[0]),
            "{{index .Config.Labels \"ds01.image\"}}",
        );
        host.run("container-remove", &[args[0]]).ok();
        image
    };
    with_config(&host, "[containers]\ndefault_image = \"ds01-busybox\"\n");
    assert_eq!(made_from(&["thesis"]), "ds01-busybox");
    host.docker(&["tag", "ds01-base", "ds01-20001/thesis:latest"])
        .ok();
    assert_eq!(made_from(&["thesis"]), "ds01-20001/thesis:latest");
    assert_eq!(made_from(&["other"]), "ds01-busybox");
    assert_eq!(
        made_from(&["other", "--project=thesis"]),
        "ds01-20001/thesis:latest"
    );
    assert_eq!(made_from(&["thesis", "ds01-base"]), "ds01-base");
    assert_eq!(
        made_from(&["thesis", "ds01-busybox", "--image=ds01-base"]),
        "ds01-base"
    );
    assert_eq!(
        made_from(&["other", "ds01-alice/thesis"]),
        "ds01-20001/thesis"
    );
    let unknown = host.run(CREATE, &["thesis", "no-such:1"]);
    let expected = "container-create: there is no image no-such:1 on this host\n\
                    hint: choose from image-list --all, or fetch it first: docker pull no-such:1\n";
    assert_eq!(unknown, failed(3, expected));
}

#[test]
fn a_folder_with_capitals_is_not_silently_left_out() {
    let host = TestHost::new();
    let alice = host.as_user("alice");
    alice.run("mkdir", &["-p", "workspace/Thesis"]).ok();
    let folder = "/home/alice/workspace/Thesis";
    let made = host.run(CREATE, &["Thesis", "ds01-base", "--cpu-only", "--dry-run"]);
    let told = format!(
        "its workspace is /home/alice/workspace/thesis, and not {folder}: --workspace={folder} \
         mounts that\n"
    );
    assert_eq!(made, done("thesis would be made without GPU\n", &told));
    let launched = host.run("project-launch", &["Thesis"]);
    let hint = format!(
        "\nhint: a project's folder has no capitals: mv {folder} /home/alice/workspace/thesis\n"
    );
    assert_eq!(launched.status, Some(3), "{launched:?}");
    assert!(launched.stderr.ends_with(&hint), "{launched:?}");
}

#[test]
fn the_workspace_is_made_for_its_owner_and_that_of_a_project_is_shared() {
    let host = TestHost::new();
    assert!(!host.home("alice").join("workspace").exists());
    // Whoever mistypes a project is told; a folder for one's own name is expected.
    let told = "there was no project thesis: its workspace /home/alice/workspace/thesis";
    for (args, verb, told) in [
        (
            &["one", "--project=thesis", "--dry-run"][..],
            " would be made",
            format!("{told} would be made\n"),
        ),
        (
            &["one", "--project=thesis"],
            "",
            format!("{told} was made\n"),
        ),
        (&["two", "--project=thesis"], "", String::new()),
        (&["thesis"], "", String::new()),
    ] {
        let made = host.run(
            CREATE,
            &[args, &["--image=ds01-base", "--cpu-only"]].concat(),
        );
        let line = format!("{}{verb} without GPU\n", args[0]);
        assert_eq!(made, done(&line, &told), "{args:?}");
    }
    for folder in ["workspace", "workspace/thesis"] {
        let folder = fs::metadata(host.home("alice").join(folder)).unwrap();
        assert_eq!((folder.uid(), folder.gid()), (ALICE, ALICE));
    }
    host.run("container-start", &["one"]).ok();
    host.run("container-start", &["two"]).ok();
    inside(&host, "one", "echo here >/workspace/note\n");
    assert_eq!(inside(&host, "two", "cat note\n"), "here\n");
    let note = fs::metadata(host.home("alice").join("workspace/thesis/note")).unwrap();
    assert_eq!((note.uid(), note.gid()), (ALICE, ALICE));
}

#[test]
fn folders_are_mounted_where_they_are_ones_own_or_the_host_allows_it() {
    let host = TestHost::with_direct_access(1);
    let shared = host.root().join("shared");
    fs::create_dir(&shared).unwrap();
    with_config(
        &host,
        &format!("[containers]\nbind_roots = [{:?}]\n", shared),
    );
    let shared = shared.to_string_lossy();
    host.run("mkdir", &["work"]).ok();
    let mounted = [
        "one",
        "ds01-base",
        "--cpu-only",
        "-w",
        "work",
        "-d",
        &*shared,
    ];
    host.run(CREATE, &mounted).ok();
    // As a shell gives it on: it knows no folder after `=`.
    let of_home = ["two", "ds01-base", "--cpu-only", "--workspace=~/work"];
    let alice = host.as_user("alice").env("HOME", "/tmp");
    alice
        .run(CREATE, &[&of_home[..], &["--data=~"]].concat())
        .ok();
    let mounts = "{{range .HostConfig.Mounts}}{{.Source}} {{.Target}};{{end}}";
    assert_eq!(
        inspect(&host, &engine_name("one"), mounts),
        format!("/home/alice/work /workspace;{shared} /data;")
    );
    assert_eq!(
        inspect(&host, &engine_name("two"), mounts),
        "/home/alice/work /workspace;/home/alice /data;"
    );

    symlink("/etc", host.home("alice").join("etc")).unwrap();
    fs::write(host.home("alice").join("file"), "").unwrap();
    let elsewhere = |path: &str| {
        format!(
            "container-create: cannot mount {path}: it is not in your home, nor in a folder that \
             the host allows\nhint: an admin allows folders with containers.bind_roots in ds01.toml\n"
        )
    };
    for (path, status, message) in [
        ("/etc/none", 7, elsewhere("/etc/none")),
        ("/home/bob", 7, elsewhere("/home/bob")),
        ("/home/alice/..", 7, elsewhere("/home/alice/..")),
        ("/home/alice/etc", 7, elsewhere("/home/alice/etc")),
        (
            "missing",
            2,
            "container-create: cannot mount /home/alice/missing: there is no such folder\n\
             hint: make it first: mkdir -p /home/alice/missing\n"
                .into(),
        ),
        (
            "~/missing/too",
            2,
            "container-create: cannot mount /home/alice/missing/too: there is no such folder\n\
             hint: make it first: mkdir -p /home/alice/missing/too\n"
                .into(),
        ),
        (
            "file",
            2,
            "container-create: cannot mount /home/alice/file: it is not a folder\n\
             hint: name a folder, in your home or one that the host allows\n"
                .into(),
        ),
    ] {
        for option in ["--workspace", "--data"] {
            let refused = host.run(CREATE, &["three", "ds01-base", "--cpu-only", option, path]);
            assert_eq!(refused, failed(status, &message), "{option}");
        }
    }
}

#[test]
fn a_link_does_not_lead_the_workspace_out_of_the_home() {
    let host = TestHost::new();
    fs::create_dir(host.home("alice").join("workspace")).unwrap();
    symlink("/etc", host.home("alice").join("workspace/thesis")).unwrap();
    let refused = host.run(CREATE, &["thesis", "ds01-base"]);
    let expected = "container-create: cannot mount /home/alice/workspace/thesis: it is not in your \
                    home, nor in a folder that the host allows\nhint: an admin allows folders with \
                    containers.bind_roots in ds01.toml\n";
    assert_eq!(refused, failed(7, expected));
    let free = host.run("gpu-status", &["--format=simple"]).ok();
    assert!(
        free.ends_with("\tfree\t-\n"),
        "its GPU was given back: {free}"
    );
}

#[test]
fn a_dry_run_says_what_would_be_made_and_changes_nothing() {
    let host = TestHost::with_gpus(2);
    let everything = || {
        let ledger = host.ledger_text();
        // Images of the same second come in any order.
        let images = host.docker(&["images", "--all", "--quiet"]).ok();
        let mut images: Vec<_> = images.lines().collect();
        images.sort_unstable();
        let images = images.join(" ");
        let containers = host.docker(&["ps", "--all", "--quiet"]).ok();
        let list = "find /home/alice && cat \"$0\"/log/events.jsonl && ls -R \"$0\"/state";
        let root = host.root().to_string_lossy().into_owned();
        let files = host.as_user("root").run("sh", &["-c", list, &root]).ok();
        [ledger, images, containers, files]
    };
    let before = everything();
    let args = ["thesis", "ds01-base", "--dry-run"];
    assert_eq!(
        host.run(CREATE, &args),
        done("thesis would be made with GPU 0\n", "")
    );
    assert_eq!(everything(), before);
    assert_eq!(
        host.run(CREATE, &["thesis", "ds01-base", "--dry-run", "--gpu=2"])
            .status,
        Some(5)
    );
    assert_eq!(everything(), before);
}

#[test]
fn odd_logins_get_a_container_too() {
    let host = TestHost::with_gpus(1);
    host.add_user("anna-lena.b@uni", 30000, true);
    let anna = || host.as_user("anna-lena.b@uni");
    anna().run(CREATE, &["thesis", "ds01-base"]).ok();
    anna().run("container-start", &["thesis"]).ok();
    let script = anna().stdin("whoami; echo $HOME; touch ~/here; id -u\n");
    assert_eq!(
        script.run("container-attach", &["thesis"]),
        done("anna-lena.b@uni\n/home/anna-lena.b@uni\n30000\n", "")
    );
    let slice = "{{index .Config.Labels \"ds01.slice\"}}";
    assert_eq!(
        inspect(&host, "thesis._.30000", slice),
        r"ds01-student-anna\x2dlena_b.slice"
    );
}

#[test]
fn users_have_names_of_their_own() {
    let host = TestHost::with_gpus(3);
    for user in &USERS[..3] {
        let made = host.as_user(user).run(CREATE, &["thesis", "ds01-base"]);
        assert_eq!(made.status, Some(0), "{made:?}");
    }
}
