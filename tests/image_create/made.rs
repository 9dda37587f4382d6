//! A Dockerfile that is made, and what is built from it.

use ds01_testkit::TestHost;

use super::{CREATE, FOLDER, IMAGE, read};
use crate::support::{
    expect::{done, inside, project, with_config},
    python::python,
};

/// A host with an image that pip and apt-get work in.
pub(super) fn with_python() -> TestHost {
    let host = TestHost::new();
    python(&host, &["lab"]);
    with_config(&host, "[containers]\ndefault_image = \"lab\"\n");
    host
}

const DOCKERFILE: &str = "\
# The image of thesis. After a change: project-launch thesis --rebuild
FROM lab

# Whoever its containers run as, what follows is for everybody.
USER root

# So that pip installs beside Debian's own packages too, in the container as well.
ENV PIP_BREAK_SYSTEM_PACKAGES=1

RUN apt-get update \\
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \\
        ffmpeg \\
        libsndfile1 \\
        tree \\
    && rm -rf /var/lib/apt/lists/*

# Where the project's folder is mounted in the container: nothing of it need be copied
# but what pip reads.
WORKDIR /workspace

# Installed again when requirements.txt has changed, and only then.
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
";

#[test]
fn a_dockerfile_is_made_of_what_is_asked_for() {
    let host = with_python();
    host.run(
        "sh",
        &[
            "-c",
            "printf 'torch==2.8.0+cu126\\n# no\\neinops\\n' >more.txt",
        ],
    )
    .ok();
    let args = [
        "thesis",
        "-t",
        "audio",
        "-p",
        "numpy>=1.26,<2 timm",
        "--packages=pandas",
        "-s",
        "tree",
        "-r",
        "more.txt",
        "--image",
        "lab",
    ];
    let made = host.run(CREATE, &[&args[..], &["--no-build"]].concat());
    let expected = done(
        &format!("{FOLDER}/Dockerfile\n"),
        "Dockerfile made, from lab\n",
    );
    assert_eq!(made, expected);
    assert_eq!(read(&host, "workspace/thesis/Dockerfile"), DOCKERFILE);
    let requirements = "# What pip installs into the image, a package a line: numpy>=1.26\n\
                        # The framework is in the base image already.\n\
                        numpy>=1.26,<2\nlibrosa\nsoundfile\naudiomentations\n\
                        torch==2.8.0+cu126\neinops\ntimm\npandas\n";
    assert_eq!(
        read(&host, "workspace/thesis/requirements.txt"),
        requirements
    );
    let files = host.run("ls", &["-A", "workspace/thesis"]).ok();
    assert_eq!(files, ".dockerignore\nDockerfile\nrequirements.txt\n");
    host.run(CREATE, &["thesis"]).ok();
    host.run("container-deploy", &["thesis"]).ok();
    let script = "python3 -c 'import numpy, torch, einops, timm, pandas, librosa; \
                  print(numpy.version, torch.version)'; ls /usr/share/stand-in\n";
    let said = inside(&host, "thesis", script);
    assert_eq!(said, "1.26.4 2.8.0+cu126\nffmpeg\nlibsndfile1\ntree\n");
    // Nobody is root inside, and pip installs all the same.
    let script = "pip install -q prophet && python3 -c 'import prophet; print(prophet.__file__)'\n";
    let said = inside(&host, "thesis", script);
    let expected = "/home/alice/.local/lib/python3.11/site-packages/prophet/__init__.py\n";
    assert_eq!(said, expected);
}

#[test]
fn without_flags_a_dockerfile_is_made_of_what_the_project_says() {
    let host = with_python();
    let pyproject = "[project]\nname = 'thesis'\ndependencies = ['with-extras[one]==1.2.3']\n\
                     [tool.ds01]\nbase-image = 'lab'\napt = ['tree']\n";
    let files = [
        ("pyproject.toml", pyproject),
        ("requirements.txt", "numpy==1.25.0\n"),
        ("data/large", "x"),
    ];
    project(&host, "alice", "thesis", &files);
    let built = host.run(CREATE, &["thesis"]);
    assert!(
        built.stderr.starts_with("Dockerfile made, from lab\n"),
        "{}",
        built.stderr
    );
    assert_eq!(read(&host, "workspace/thesis/requirements.txt"), files[1].1);
    let script = "import numpy, with_extras, einops; print(numpy.version)";
    let run = [
        "run",
        "--rm",
        "--network=none",
        IMAGE,
        "python3",
        "-c",
        script,
    ];
    assert_eq!(host.docker(&run).ok(), "1.25.0\n");
    let ls = [
        "run",
        "--rm",
        "--network=none",
        IMAGE,
        "ls",
        "/usr/share/stand-in",
        "/workspace",
    ];
    let there = "/usr/share/stand-in:\ntree\n\n/workspace:\nrequirements.txt\n";
    assert_eq!(host.docker(&ls).ok(), there);
}
