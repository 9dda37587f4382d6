//! Every command line of the users' guides 000, 001, 003 and 004, and the examples of 002, as they are
//! written there.
//!
//! What stands for something (`<name>`, `[options]`) or belongs to a script (`tests/scripts.rs`) is
//! run with names in it. What SPEC.md settles otherwise than the guides is said beside the line.

use std::{collections::BTreeSet, fs, path::Path};

use ds01_testkit::{As, TestHost};

use crate::support::expect::{project, with_config};
use launching::LAUNCHING;

mod launching;

/// How a line is run, and how it ends.
enum Run {
    /// From a script, without a terminal; its exit status.
    Script(i32),
    /// On a terminal: what is waited for, and what is typed then; its exit status.
    Terminal(&'static [(&'static str, &'static str)], i32),
}
use Run::{Script, Terminal};

const SHELL: (&str, &str) = (":/workspace$ ", "exit\r");
const YES: (&str, &str) = ("[y/N] ", "y\r");
const NO: (&str, &str) = ("[y/N] ", "n\r");
const OFFERED: (&str, &str) = ("[Y/n] ", "\r");

const BUILD_WHICH: (&str, &str) = ("image of which project?", "my-project\r");
const REBUILD: (&str, &str) = ("What about the image of ", "rebuild\r");

/// 001: the atomic commands.
const ATOMIC: &[(&str, Run)] = &[
    ("container-create my-thesis", Script(0)),
    (
        "container-create test --image=aime/pytorch:2.8.0-cuda12.4",
        Script(0),
    ),
    ("container-create training --gpu=2", Script(0)),
    // No host of a test has /data; one that has lists it in bind_roots of ds01.toml.
    (
        "container-create analysis --workspace=/data/shared/dataset",
        Script(7),
    ),
    (
        "container-create",
        Terminal(&[("which project?", "third\r")], 0),
    ),
    ("container-start my-thesis", Script(0)),
    (
        "container-start",
        Terminal(&[("Start which container?", "training\r")], 0),
    ),
    ("container-run my-thesis", Terminal(&[SHELL], 0)),
    (
        "container-run",
        Terminal(&[("Run which container?", "third\r"), SHELL], 0),
    ),
    (
        "container-attach my-thesis",
        Terminal(&[(SHELL.0, "container-exit\r")], 0),
    ),
    // Outside a container it explains.
    ("container-exit", Script(0)),
    ("container-pause my-thesis", Script(0)),
    ("container-unpause my-thesis", Script(0)),
    (
        "container-pause",
        Terminal(&[("Pause which container?", "my-thesis\r")], 0),
    ),
    (
        "container-unpause",
        Terminal(&[("which container?", "my-thesis\r")], 0),
    ),
    // Pausing loses nothing, and so asks nothing.
    ("container-pause --all", Terminal(&[], 0)),
    ("container-unpause --all", Script(0)),
    ("container-list", Script(0)),
    ("container-list --all", Script(0)),
    ("container-list --format=json", Script(0)),
    ("container-stats", Script(0)),
    (
        "container-stats --watch",
        Terminal(&[("NAME", "\x03")], 130),
    ),
    ("container-stop my-thesis", Script(0)),
    ("container-stop my-thesis --force", Script(0)),
    (
        "container-stop",
        Terminal(&[("Stop which container?", "third\r"), YES], 0),
    ),
    ("container-remove my-thesis", Terminal(&[YES], 0)),
    ("container-create my-thesis", Script(0)),
    ("container-remove my-thesis --force", Script(0)),
    ("container-create my-thesis", Script(0)),
    ("container-run my-thesis", Terminal(&[SHELL], 0)),
    ("container-remove my-thesis --stop", Script(0)),
    (
        "container-remove",
        Terminal(&[("Remove which container?", "third\r"), YES], 0),
    ),
    ("container-remove test training --stop", Script(0)),
    ("container-create my-project", Script(0)),
    ("container-list --all", Script(0)),
    ("container-start my-project", Script(0)),
    ("container-attach my-project", Terminal(&[SHELL], 0)),
    ("container-stop my-project", Script(0)),
    ("container-start my-project", Script(0)),
    ("container-retire my-project", Script(0)),
    ("container-create exp-1", Script(0)),
    ("container-create exp-2", Script(0)),
    ("container-create exp-3", Script(0)),
    ("container-start exp-1", Script(0)),
    ("container-start exp-2", Script(0)),
    ("container-start exp-3", Script(0)),
    ("container-attach exp-1", Terminal(&[SHELL], 0)),
    ("container-stop exp-1 && container-remove exp-1", Script(0)),
    ("container-stop exp-2 && container-remove exp-2", Script(0)),
    ("container-stop exp-3 && container-remove exp-3", Script(0)),
    ("project launch my-thesis --open", Terminal(&[SHELL], 0)),
    ("container retire my-thesis", Script(0)),
    ("image-create my-thesis", Script(0)),
    ("image-create my-thesis --no-cache", Script(0)),
    ("image-create", Terminal(&[BUILD_WHICH], 0)),
    ("image-list", Script(0)),
    ("image-update my-thesis --rebuild", Script(0)),
    ("image-update", Terminal(&[BUILD_WHICH, REBUILD], 0)),
    ("image-list --all", Script(0)),
    ("image-delete my-thesis", Script(0)),
    // It is gone by now.
    ("image-delete my-thesis --force", Script(3)),
    (
        "image-delete",
        Terminal(&[("Delete which image?", "my-project\r"), YES], 0),
    ),
];

/// 003: GPU containers.
const GPU: &[(&str, Run)] = &[
    ("container deploy myproject", Script(0)),
    ("container retire myproject", Script(0)),
    (
        "container deploy training-run",
        Terminal(&[(SHELL.0, "touch /workspace/.keep-alive\r"), SHELL], 0),
    ),
    ("gpu-status", Script(0)),
    ("docker ps", Script(0)),
    ("container ls", Script(0)),
    ("container retire training-run", Script(0)),
];

/// 004: containers explained.
const CONCEPTS: &[(&str, Run)] = &[
    (
        "docker tag ds01-alice/project:latest ds01-alice/project:experiment-42",
        Script(0),
    ),
    (
        "container-deploy --image ds01-alice/project:experiment-42",
        Script(0),
    ),
    ("container-retire project", Script(0)),
    (
        "docker tag ds01-alice/project:latest ds01-alice/project:working-baseline",
        Script(0),
    ),
    ("image-update project", Terminal(&[REBUILD], 0)),
    (
        "container-deploy --image ds01-alice/project:working-baseline",
        Terminal(&[SHELL], 0),
    ),
    ("image-create", Terminal(&[BUILD_WHICH], 0)),
    ("image-update my-project", Terminal(&[REBUILD], 0)),
    ("container-deploy my-project", Script(0)),
    ("container-run my-project", Terminal(&[SHELL], 0)),
    ("container-retire my-project", Script(0)),
    ("container-deploy project-1", Script(0)),
    ("container-deploy project-2", Script(0)),
    ("container-deploy project-3", Script(0)),
    ("container-list", Script(0)),
    ("docker ps", Script(0)),
    ("container-deploy container-name", Script(0)),
    ("docker logs container-name", Script(0)),
    (
        "docker exec -it container-name bash",
        Terminal(&[("$ ", "exit\r")], 0),
    ),
    ("check-limits", Script(0)),
    ("cat ~/.ds01-limits", Script(0)),
    ("gpu-queue join", Script(0)),
];

/// 002: the layers of commands, whose examples are these; and AIME's other commands in use.
const LAYERS: &[(&str, Run)] = &[
    ("mlc-create test-pytorch pytorch 2.5.1", Script(0)),
    ("mlc-open test-pytorch", Terminal(&[SHELL], 0)),
    ("mlc-list", Script(0)),
    ("mlc-stats", Script(0)),
    ("mlc-stop test-pytorch", Terminal(&[YES], 0)),
    ("mlc-start test-pytorch", Script(0)),
    ("mlc-stop test-pytorch -Y", Script(0)),
    ("mlc-remove test-pytorch", Script(0)),
    ("container-create my-project pytorch", Script(0)),
    ("container-run my-project", Terminal(&[SHELL], 0)),
    ("docker logs my-project._.20001", Script(0)),
];

/// A host on which alice may have some containers, with projects to build and images to use.
fn host() -> TestHost {
    let host = TestHost::behind_gateway(8);
    with_config(&host, "[containers]\ndefault_image = \"ds01-base\"\n");
    host.limits_yaml(
        "defaults:\n  max_gpu_equivalents: 8\n  max_gpu_slots_per_container: 2\n  \
         max_containers_per_user: 8\n",
    );
    for name in ["my-thesis", "my-project", "other-project", "third"] {
        project(&host, "alice", name, &[("Dockerfile", "FROM ds01-base\n")]);
    }
    for image in [
        "aime/pytorch:2.8.0",
        "aime/pytorch:2.8.0-cuda12.4",
        "ds01-20001/project:latest",
    ] {
        host.docker(&["tag", "ds01-base", image]).ok();
    }
    let draft = host.docker(&["create", "ds01-base"]).ok();
    let last = "CMD [\"sleep\", \"1000\"]";
    host.docker(&["commit", "-c", last, draft.trim(), "my-image"])
        .ok();
    host.docker(&["rm", draft.trim()]).ok();
    host
}

/// alice, at home, whose docker finds the gateway.
fn alice(host: &TestHost) -> As<'_> {
    let socket = format!("unix://{}", host.gateway_socket().display());
    host.as_user("alice").env("DOCKER_HOST", &socket)
}

fn keep(host: &TestHost, lines: &[(&str, Run)]) {
    for (line, run) in lines {
        let said = match run {
            Script(status) => {
                let said = alice(host).run("bash", &["-c", line]);
                assert_eq!(said.status, Some(*status), "{line}: {said:?}");
                continue;
            }
            Terminal(steps, status) => {
                let mut terminal = alice(host).pty("bash", &["-c", line]);
                for (prompt, keys) in *steps {
                    terminal.expect(prompt);
                    terminal.send(keys);
                }
                (terminal.wait() == Some(*status), terminal.output())
            }
        };
        assert!(said.0, "{line}: {}", said.1);
    }
}

#[test]
fn launching_containers() {
    keep(&host(), LAUNCHING);
}

#[test]
fn atomic_commands() {
    let host = host();
    host.run("project-launch", &["my-thesis", "--background"])
        .ok();
    host.run("container-retire", &["my-thesis"]).ok();
    host.docker(&["tag", "ds01-base", "ds01-20001/my-project:latest"])
        .ok();
    keep(&host, ATOMIC);
}

#[test]
fn gpu_containers() {
    keep(&host(), GPU);
}

#[test]
fn containers_explained() {
    let host = host();
    project(
        &host,
        "alice",
        "project",
        &[("Dockerfile", "FROM ds01-base\n")],
    );
    keep(&host, CONCEPTS);
}

#[test]
fn layers_of_commands() {
    let host = host();
    let catalogue = "Pytorch, 2.5.1, CUDA_ADA, aime/pytorch:2.5.1\n";
    fs::write(host.root().join("etc/ml_images.repo"), catalogue).unwrap();
    host.docker(&["tag", "ds01-base", "aime/pytorch:2.5.1"])
        .ok();
    keep(&host, LAYERS);
}

/// The examples of guide 002, for a user whose uid is alice's.
fn examples(guide: &str) -> BTreeSet<String> {
    let example = |line: &str| {
        let line = line.strip_prefix("**Example:** `")?.split('`').next()?;
        Some(line.replace("._.1001", "._.20001"))
    };
    guide.lines().filter_map(example).collect()
}

/// The command lines of a guide, without their comments.
fn lines(guide: &str) -> BTreeSet<String> {
    let commands = [
        "project",
        "container",
        "image",
        "user",
        "gpu",
        "check",
        "dashboard",
        "docker",
    ];
    let line = |line: &str| {
        let line = line.trim().trim_start_matches("$ ");
        let line = line.split("  #").next()?.split(" # ").next()?.trim();
        let word = line.split([' ', '-']).next()?;
        // Prose, tables of transitions, and lines of the two scripts.
        let odd = [
            "→",
            " - ",
            " = ",
            "/ container",
            ":",
            "...",
            "<",
            "[",
            "$name",
            "$PROJECT",
            "$CONT",
        ];
        let is = commands.contains(&word) && !odd.iter().any(|odd| line.contains(odd));
        let image = line.contains("--image") || line.starts_with("docker tag");
        (is || image && commands.contains(&word)).then(|| line.to_string())
    };
    guide.lines().filter_map(line).collect()
}

#[test]
fn no_line_of_the_guides_is_left_out() {
    let guides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/user-docs");
    let Ok(guides) = fs::read_dir(guides) else {
        eprintln!("not tested: the guides are not beside this clone");
        return;
    };
    let run: BTreeSet<&str> = [LAUNCHING, ATOMIC, GPU, CONCEPTS, LAYERS]
        .iter()
        .flat_map(|lines| lines.iter().map(|(line, _)| *line))
        .collect();
    let mut seen = 0;
    for guide in guides.map(|guide| guide.unwrap().path()) {
        let name = guide.file_name().unwrap().to_str().unwrap().to_string();
        let text = fs::read_to_string(&guide).unwrap();
        let lines = match name.starts_with("002") {
            true => examples(&text),
            false => lines(&text),
        };
        for line in lines {
            assert!(run.contains(line.as_str()), "{name}: {line:?}");
            seen += 1;
        }
    }
    assert!(seen > 80, "{seen}");
}
