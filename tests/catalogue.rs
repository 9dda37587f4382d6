//! Images by their framework: the newest of the host's catalogue that its GPUs and driver support.

use std::fs;

use ds01_testkit::TestHost;

use crate::support::{
    expect::{done, failed, image, inspect, project, with_config},
    registry::in_registry,
};

const CREATE: &str = "container-create";

/// Images that a test host's engine has under these names.
const TEXT: &str = "\
Tensorflow, 2.16.1, CUDA_ADA, lab/tensorflow:2.16.1-cuda12.3
Pytorch, 2.9.1, CUDA_BLACKWELL, lab/pytorch:2.9.1-cuda12.8
Pytorch, 2.9.1, CUDA_ADA, lab/pytorch:2.9.1-cuda12.6
Pytorch, 2.8.0, CUDA_ADA, lab/pytorch:2.8.0-cuda12.4
Pytorch, 2.6.0, CUDA_ADA, lab/pytorch:2.6.0-cuda12.1
Pytorch, 2.5.1, CUDA_AMPERE, lab/pytorch:2.5.1-cuda11.8
Pytorch, 2.8.0, CPU, lab/pytorch:2.8.0-cpu
";

fn set(host: &TestHost, text: &str) {
    fs::write(host.root().join("etc/ml_images.repo"), text).unwrap();
}

/// A host with an H100, a driver that knows CUDA 12.4, a catalogue and its images.
fn host() -> TestHost {
    let host = TestHost::new();
    set(&host, TEXT);
    for line in TEXT.lines() {
        let image = line.rsplit(", ").next().unwrap();
        host.docker(&["tag", "ds01-base", image]).ok();
    }
    host
}

/// The image that a container of alice's is made from, as its owner is told.
fn made_from(host: &TestHost, args: &[&str]) -> String {
    host.run(CREATE, &[&["thesis"], args].concat()).ok();
    let image = inspect(
        host,
        "thesis._.20001",
        "{{index .Config.Labels \"ds01.image\"}}",
    );
    host.run("container-remove", &["thesis"]).ok();
    image
}

#[test]
fn a_framework_stands_for_the_newest_image_that_works_here() {
    let host = host();
    for (args, image) in [
        (&["pytorch"][..], "lab/pytorch:2.8.0-cuda12.4"),
        (&["--image=pytorch"], "lab/pytorch:2.8.0-cuda12.4"),
        (&["--image", "PyTorch:2.8"], "lab/pytorch:2.8.0-cuda12.4"),
        (&["pytorch 2.8"], "lab/pytorch:2.8.0-cuda12.4"),
        (&["tensorflow"], "lab/tensorflow:2.16.1-cuda12.3"),
        (&["pytorch-cpu", "--cpu-only"], "lab/pytorch:2.8.0-cpu"),
        // An image of that very name is that image.
        (&["ds01-base"], "ds01-base"),
    ] {
        assert_eq!(made_from(&host, args), image, "{args:?}");
    }
    host.docker(&["tag", "ds01-base", "pytorch:2.8"]).ok();
    assert_eq!(made_from(&host, &["pytorch:2.8"]), "pytorch:2.8");

    // With a newer driver and another GPU it is another.
    host.gpus().edit(|sim| {
        sim["cuda_version"] = "12.8".into();
        sim["gpus"][0]["compute_capability"] = "12.0".into();
    });
    assert_eq!(made_from(&host, &["pytorch"]), "lab/pytorch:2.9.1-cuda12.8");
    let none = "container-create: no image of tensorflow works here: of the newest, \
                lab/tensorflow:2.16.1-cuda12.3, it is made for GPUs older than this host's, of \
                compute capability 12.0\n\
                hint: no other version works either; name an image with --image=<image>, if you \
                know better\n";
    assert_eq!(host.run(CREATE, &["thesis", "tensorflow"]), failed(3, none));
    host.gpus().remove_driver();
    let args = ["pytorch", "--cpu-only"];
    assert_eq!(made_from(&host, &args), "lab/pytorch:2.8.0-cpu");
}

#[test]
fn a_driver_that_fails_is_not_taken_for_a_host_without_gpus() {
    let host = host();
    let unknown = serde_json::json!({ "function": "nvmlDeviceGetCount_v2", "result": "UNKNOWN" });
    host.gpus()
        .edit(|sim| sim["failures"] = vec![unknown].into());
    let refused = host.run(CREATE, &["thesis", "pytorch", "--cpu-only"]);
    assert_eq!((refused.status, &*refused.stdout), (Some(8), ""));
    assert!(
        refused.stderr.contains("the NVIDIA driver failed"),
        "{}",
        refused.stderr
    );
}

#[test]
fn what_is_no_framework_is_an_image_that_is_not_there() {
    let host = host();
    let any = "frameworks here: pytorch, tensorflow; or name an image of image-list --all";
    let meant = "did you mean tensorflow? frameworks here: tensorflow, pytorch; or name an image of \
                 image-list --all";
    let no_name_of_one = "choose from image-list --all, or fetch it first: docker pull a/b";
    for (name, hint) in [
        ("caffe", any),
        ("python:3.12", any),
        ("tensorflw", meant),
        ("a/b", no_name_of_one),
    ] {
        let said =
            format!("container-create: there is no image {name} on this host\nhint: {hint}\n");
        assert_eq!(host.run(CREATE, &["thesis", name]), failed(3, &said));
    }
    let known = "container-create: this host's catalogue of images has no pytorch:2.7\n\
                 hint: it has 2.9.1, 2.8.0, 2.6.0, 2.5.1; or name an image with --image=<image>\n";
    assert_eq!(
        host.run(CREATE, &["thesis", "pytorch:2.7"]),
        failed(3, known)
    );
}

#[test]
fn a_version_that_does_not_work_here_is_told_with_one_that_does() {
    let host = host();
    let said = "container-create: no image of pytorch:2.9 works here: of the newest, \
                lab/pytorch:2.9.1-cuda12.6, it needs CUDA 12.6, and the driver knows 12.4 at most\n\
                hint: ask for version 2.8.0, the newest of pytorch that works here\n";
    let refused = host.run(CREATE, &["thesis", "--image=pytorch:2.9"]);
    assert_eq!(refused, failed(3, said));
    assert_eq!(
        made_from(&host, &["--image=pytorch:2.8.0"]),
        "lab/pytorch:2.8.0-cuda12.4"
    );
}

#[test]
fn the_hosts_default_may_be_a_framework() {
    let host = host();
    with_config(&host, "[containers]\ndefault_image = \"pytorch:2.8\"\n");
    assert_eq!(made_from(&host, &[]), "lab/pytorch:2.8.0-cuda12.4");
    host.run("project-init", &["thesis", "--quick"]).ok();
    let dockerfile = host.home("alice").join("workspace/thesis/Dockerfile");
    let dockerfile = fs::read_to_string(dockerfile).unwrap();
    assert!(
        dockerfile.contains("\nFROM lab/pytorch:2.8.0-cuda12.4\n"),
        "{dockerfile}"
    );
}

#[test]
fn a_dockerfile_begins_from_the_catalogues_image() {
    let host = host();
    let from = |args: &[&str]| {
        host.run("rm", &["-rf", "workspace"]).ok();
        let args = [&["thesis", "--no-build"], args].concat();
        host.run("image-create", &args).ok();
        let text = fs::read_to_string(host.home("alice").join("workspace/thesis/Dockerfile"));
        let text = text.unwrap();
        let from = text.lines().find_map(|line| line.strip_prefix("FROM "));
        from.unwrap().to_string()
    };
    assert_eq!(from(&["-f", "pytorch"]), "lab/pytorch:2.8.0-cuda12.4");
    assert_eq!(from(&["-f", "pytorch:2.6"]), "lab/pytorch:2.6.0-cuda12.1");
    assert_eq!(
        from(&["--framework=tensorflow"]),
        "lab/tensorflow:2.16.1-cuda12.3"
    );
    assert_eq!(from(&["-fpytorch-cpu"]), "lab/pytorch:2.8.0-cpu");
    assert_eq!(from(&["--image=pytorch:2.8"]), "lab/pytorch:2.8.0-cuda12.4");
    // One's own image by its short name.
    image(&host, "ds01-20001/mine:1", "ds01-base", &[], &[]);
    assert_eq!(from(&["--image=mine:1"]), "ds01-20001/mine:1");
    assert_eq!(from(&["--image=ds01-alice/mine:1"]), "ds01-20001/mine:1");

    let said = |framework: &str| {
        host.run("rm", &["-rf", "workspace"]).ok();
        let pyproject = format!("[tool.ds01]\nframework = '{framework}'\n");
        project(&host, "alice", "thesis", &[("pyproject.toml", &pyproject)]);
        host.run("image-create", &["thesis", "--no-build"])
    };
    assert!(said("pytorch:2.6").ok().ends_with("/Dockerfile\n"));
    let odd = "image-create: pyproject.toml is wrong: \"a/b\" is no framework\n\
               hint: as in framework = \"pytorch\" or \"pytorch:2.8\"\n";
    assert_eq!(said("a/b"), failed(2, odd));
}

#[test]
fn on_a_terminal_one_chooses_from_the_frameworks() {
    let host = host();
    project(&host, "alice", "thesis", &[]);
    let mut asked = host.as_user("alice").pty("image-create", &["thesis"]);
    asked.expect("What is it about?");
    asked.send("custom\r");
    asked.expect("[none]: ");
    asked.send("\r");
    asked.expect("Which framework?");
    asked.expect("Tensorflow");
    asked.expect("lab/pytorch:2.8.0-cuda12.4");
    asked.expect("an image that you name");
    asked.send("pytorch\r");
    asked.expect("Dockerfile made, from lab/pytorch:2.8.0-cuda12.4\r\n");
    asked.expect("Build it now? [Y/n] ");
    asked.send("n\r");
    assert_eq!(asked.wait(), Some(0));
}

#[test]
fn an_image_that_the_host_lacks_is_fetched() {
    let host = TestHost::new();
    image(&host, "stored", "ds01-base", &[("/stored", "here")], &[]);
    let there = in_registry(&host, "stored", "lab/pytorch:2.8.0-cuda12.4");
    let address = there.split('/').next().unwrap();
    let missing = format!("{address}/lab/tensorflow:2.16.1-cuda12.3");
    set(
        &host,
        &format!("Pytorch, 2.8.0, CUDA_ADA, {there}\nTensorflow, 2.16.1, CUDA_ADA, {missing}\n"),
    );
    let dry = format!(
        "container-create: the image {there} is not on this host yet\n\
         hint: it is fetched when a container is made, without --dry-run\n"
    );
    let args = ["thesis", "pytorch", "--dry-run"];
    assert_eq!(host.run(CREATE, &args), failed(3, &dry));
    let fetching = format!("fetching {there}, which this host does not have yet\n");
    let made = host.run(CREATE, &["thesis", "pytorch"]);
    assert_eq!(made, done("thesis with GPU 0\n", &fetching));
    host.run("container-remove", &["thesis"]).ok();
    assert_eq!(
        host.run(CREATE, &["thesis", "pytorch"]),
        done("thesis with GPU 0\n", "")
    );

    let refused = host.run(
        "container-deploy",
        &["other", "--image=tensorflow", "--cpu-only"],
    );
    assert_eq!((refused.status, &*refused.stdout), (Some(1), ""));
    let said = format!(
        "fetching {missing}, which this host does not have yet\n\
         container-deploy: cannot fetch the image {missing}: "
    );
    assert!(refused.stderr.starts_with(&said), "{}", refused.stderr);
    let why = "manifest unknown\n\
               hint: name one that this host has, of those that image-list --all shows\n";
    assert!(refused.stderr.ends_with(why), "{}", refused.stderr);
}
