//! `mlc-create`: a container with a framework of the catalogue.

use std::fs;

use ds01_testkit::TestHost;

use super::aime::{By, aime, managed};
use crate::support::{
    expect::{all_containers, done, failed, image, inspect, with_limit},
    registry::in_registry,
};

const CREATE: &str = "mlc-create";

/// What the catalogue has: images whose names say nothing of what they are for.
const TEXT: &str = "\
Pytorch, 2.9.1, CUDA_BLACKWELL, lab/newest-cuda12.8
Pytorch, 2.8.0-aime, CUDA_ADA, lab/second:7-cuda12.4
Pytorch, 2.5.1, CUDA_ADA, lab/third:latest
Tensorflow, 2.16.1, CUDA_ADA, lab/other:1-cuda12.3
";

/// A host with H100s, a driver that knows CUDA 12.4, a catalogue and its images.
fn host(gpus: usize) -> TestHost {
    let host = TestHost::with_gpus(gpus);
    set(&host, TEXT);
    for line in TEXT.lines() {
        let image = line.rsplit(", ").next().unwrap();
        host.docker(&["tag", "ds01-base", image]).ok();
    }
    host
}

fn set(host: &TestHost, text: &str) {
    fs::write(host.root().join("etc/ml_images.repo"), text).unwrap();
}

fn ready(name: &str) -> String {
    format!("[{name}] ready. Open the container with: mlc-open {name}\n")
}

fn label(host: &TestHost, name: &str, label: &str) -> String {
    let template = format!("{{{{index .Config.Labels \"{label}\"}}}}");
    inspect(host, &format!("{name}._.20001"), &template)
}

#[test]
fn a_container_has_the_framework_that_the_catalogue_says() {
    let host = host(1);
    for (args, image, framework) in [
        (
            &["Pytorch", "2.8.0"][..],
            "lab/second:7-cuda12.4",
            "Pytorch-2.8.0-aime",
        ),
        (&["pytorch", "2.5.1"], "lab/third:latest", "Pytorch-2.5.1"),
        (&["PyTorch"], "lab/second:7-cuda12.4", "Pytorch-2.8.0-aime"),
        (&["tf", "2.16"], "lab/other:1-cuda12.3", "Tensorflow-2.16.1"),
    ] {
        let args = [&["my-container"], args].concat();
        assert_eq!(host.run(CREATE, &args), done(&ready("my-container"), ""));
        let label = |key| label(&host, "my-container", key);
        assert_eq!(label("ds01.image"), image, "{args:?}");
        assert_eq!(label("aime.mlc.FRAMEWORK"), framework);
        assert_eq!(label("ds01.framework"), framework);
        assert_eq!(
            (&*label("aime.mlc"), &*label("aime.mlc.VERSION")),
            ("alice", "3")
        );
        let listed = host.run("mlc-list", &[]).ok();
        let row = format!("[my-container]  {framework}");
        assert!(
            listed.lines().any(|line| line.starts_with(&row)),
            "{listed}"
        );
        let open = host.as_user("alice").stdin("pwd; whoami");
        assert_eq!(
            open.run("mlc-open", &["my-container"]),
            done("/workspace\nalice\n", "")
        );
        host.run("mlc-stop", &["my-container", "-Y"]).ok();
        host.run("mlc-remove", &["my-container", "-Y"]).ok();
    }
    // However it is made: what counts is the image.
    host.run("container-create", &["thesis", "lab/third"]).ok();
    assert_eq!(
        label(&host, "thesis", "aime.mlc.FRAMEWORK"),
        "Pytorch-2.5.1"
    );
}

#[test]
fn folders_and_gpus_are_given_as_aime_writes_them() {
    let host = host(2);
    with_limit(&host, "max_gpu_slots_per_container", "2");
    with_limit(&host, "max_gpu_equivalents", "2");
    host.run("mkdir", &["-p", "sets", "work"]).ok();
    let folders = ["-w=work", "-d=sets"];
    for (args, gpus) in [
        (&[][..], "1"),
        (&["-g=2"], "2"),
        (&["-ng=2"], "2"),
        (&["--gpus=all"], "2"),
        (&["-g", "device=1"], "1"),
        (&["-g=0"], "0"),
    ] {
        let args = [&["thesis", "Pytorch", "2.5.1"], &folders[..], args].concat();
        assert_eq!(
            host.run(CREATE, &args),
            done(&ready("thesis"), ""),
            "{args:?}"
        );
        let label = |key| label(&host, "thesis", key);
        assert_eq!(label("aime.mlc.GPUS"), gpus, "{args:?}");
        let mounts = [label("aime.mlc.WORK_MOUNT"), label("aime.mlc.DATA_MOUNT")];
        assert_eq!(mounts, ["/home/alice/work", "/home/alice/sets"]);
        host.run("mlc-remove", &["thesis", "-Y"]).ok();
    }
    host.run(CREATE, &["thesis", "Pytorch"]).ok();
    assert_eq!(
        label(&host, "thesis", "aime.mlc.WORK_MOUNT"),
        "/home/alice/workspace/thesis"
    );
}

#[test]
fn an_image_that_is_not_there_yet_is_fetched() {
    let host = TestHost::new();
    image(&host, "lab/fetched:1", "ds01-busybox", &[], &["LABEL a=b"]);
    let name = in_registry(&host, "lab/fetched:1", "lab/fetched:1");
    set(&host, &format!("Pytorch, 2.8.0, CUDA_ADA, {name}\n"));
    let made = host.run(CREATE, &["thesis", "Pytorch", "2.8.0"]);
    let told = format!("fetching {name}, which this host does not have yet\n");
    assert_eq!(made, done(&ready("thesis"), &told));
    assert_eq!(label(&host, "thesis", "ds01.image"), name);
}

#[test]
fn what_cannot_be_makes_nothing() {
    let host = host(1);
    let see = "hint: as in mlc-create my-container Pytorch 2.8.0: see mlc-create --help\n";
    let elsewhere = "name an image: container-create thesis --image=<image>";
    for (args, status, said) in [
        (&[][..], 2, format!("missing argument <name>\n{see}")),
        (&["thesis"], 2, format!("missing argument <framework>\n{see}")),
        (&["thesis", "Pytorch", "2.8.0", "x"], 2, "unexpected argument \"x\"\nhint: a name, a framework and a version are all there is: see mlc-create --help\n".into()),
        (&["thesis", "Pytorch", "2.7"], 3, format!("this host's catalogue of images has no pytorch:2.7\nhint: it has 2.9.1, 2.8.0-aime, 2.5.1; or {elsewhere}\n")),
        (&["thesis", "caffe", "1"], 3, format!("this host's catalogue of images has no caffe\nhint: it has pytorch, tensorflow; or {elsewhere}\n")),
        (&["thesis", "Pytorch", "2.9"], 3, "no image of pytorch:2.9 works here: of the newest, lab/newest-cuda12.8, it needs CUDA 12.8, and the driver knows 12.4 at most\nhint: ask for version 2.8.0-aime, the newest of pytorch that works here\n".into()),
        (&["thesis", "Pytorch", "-g=most"], 2, "invalid value 'most' for --gpus: expected a number of GPUs, or all\nTry 'mlc-create --help' for more information.\n".into()),
        (&["thesis", "Pytorch", "-g=2"], 5, "more devices asked for (2) than one container may have (1)\nhint: ask for fewer, with -g=1\n".into()),
        (&["thesis._.20002", "Pytorch"], 7, "a container is made for its owner by its owner\nhint: make one of your own: mlc-create thesis\n".into()),
    ] {
        let refused = host.run(CREATE, args);
        assert_eq!(refused, failed(status, &format!("mlc-create: {said}")), "{args:?}");
    }
    assert_eq!(all_containers(&host), "");
    host.run(CREATE, &["thesis", "Pytorch"]).ok();
    let again = host.run(CREATE, &["thesis", "Pytorch"]);
    assert_eq!((again.status, &*again.stdout), (Some(4), ""), "{again:?}");
}

#[test]
fn on_a_terminal_the_framework_is_chosen() {
    let host = host(1);
    let mut made = host.as_user("alice").pty(CREATE, &["thesis"]);
    made.expect("Which framework?");
    // The newest does not work here.
    made.expect("1) Pytorch     2.8.0-aime");
    made.send("2.5.1\r");
    made.expect("[thesis] ready.");
    assert_eq!(made.wait(), Some(0), "{}", made.output());
    assert_eq!(
        label(&host, "thesis", "aime.mlc.FRAMEWORK"),
        "Pytorch-2.5.1"
    );
}

#[test]
fn aimes_own_commands_see_and_manage_it() {
    let host = TestHost::with_direct_access(1);
    set(&host, "Pytorch, 2.5.1, CUDA_ADA, lab/odd\n");
    host.docker(&["tag", "ds01-base", "lab/odd"]).ok();
    host.run(CREATE, &["thesis", "Pytorch", "2.5.1"]).ok();
    let listed = aime(&host, "alice", By::Engine, &["list"]).ok();
    let is = |line: &str| line.starts_with("[thesis]") && line.contains(" Pytorch-2.5.1 ");
    assert!(listed.lines().any(is), "{listed}");
    managed(&host, "alice", By::Engine, "thesis");
    assert_eq!(
        host.run("container-list", &["--all", "--format=simple"]),
        done("", "")
    );
    let images = host.docker(&["images", "-q", "lab/odd"]).ok();
    assert_ne!(images, "", "the shared image stays");
}
