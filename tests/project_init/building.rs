//! The images of new projects, as they are really built.

use super::*;
use crate::support::{expect::state, python::python};

const LAUNCH: &str = "project-launch";

/// What pip and apt-get were told in a project's image, which is built and launched.
#[track_caller]
fn installed(host: &TestHost, name: &str) -> String {
    let patient = host.as_user("alice").within(Duration::from_secs(120));
    patient.run(LAUNCH, &[name]).ok();
    assert_eq!(state(host, name), "running");
    let told = inside(host, name, "cat /installed\n");
    host.run("container-retire", &[name, "--force"]).ok();
    told
}

#[test]
fn a_project_of_each_type_is_built_and_launched() {
    let host = host();
    for (topic, some, apt) in [
        ("ml", "scikit-learn", ""),
        ("cv", "timm", ""),
        ("nlp", "transformers", ""),
        ("rl", "gymnasium", ""),
        ("llm", "peft", ""),
        ("ts", "statsmodels", ""),
        (
            "audio",
            "librosa",
            "apt-get update\napt-get install -y --no-install-recommends ffmpeg libsndfile1\n",
        ),
        ("custom", "", ""),
    ] {
        let name = format!("a-{topic}");
        host.run(INIT, &[&name, "--type", topic, "--quick"]).ok();
        let file = host
            .home("alice")
            .join("workspace")
            .join(&name)
            .join("requirements.txt");
        let listed = fs::read_to_string(file).unwrap();
        assert!(listed.contains(some), "{topic}: {listed}");
        let pip = "[install][--no-cache-dir][-r][requirements.txt]\n";
        assert_eq!(
            installed(&host, &name),
            format!("{apt}{pip}{listed}"),
            "{topic}"
        );
    }
}

#[test]
fn a_project_of_each_type_imports_its_packages() {
    let host = TestHost::new();
    python(&host, &["lab"]);
    with_config(&host, "[containers]\ndefault_image = \"lab\"\n");
    let script = "python3 - <<'PYTHON'\n\
                  import importlib\n\
                  odd = {'opencv-python-headless': 'cv2', 'scikit-learn': 'sklearn'}\n\
                  lines = open('/workspace/requirements.txt').read().split('\\n')\n\
                  names = [line for line in lines if line and line[0] != '#']\n\
                  for name in names:\n    \
                      importlib.import_module(odd.get(name, name.replace('-', '_')))\n\
                  print(len(names))\n\
                  PYTHON\n\
                  ls /usr/share/stand-in 2>/dev/null || true\n";
    for (topic, told) in [
        ("ml", "5\n"),
        ("cv", "5\n"),
        ("nlp", "5\n"),
        ("rl", "4\n"),
        ("llm", "6\n"),
        ("ts", "5\n"),
        ("audio", "4\nffmpeg\nlibsndfile1\n"),
        ("custom", "0\n"),
    ] {
        let name = format!("a-{topic}");
        host.run(INIT, &[&name, "--type", topic, "--quick", "--no-git"])
            .ok();
        host.run(LAUNCH, &[&name]).ok();
        assert_eq!(inside(&host, &name, script), told, "{topic}");
        host.run("container-retire", &[&name, "--force"]).ok();
    }
}

#[test]
fn two_users_have_a_project_of_one_name() {
    let host = host();
    for (user, package) in [("alice", "hers"), ("bob", "his")] {
        host.as_user(user).run(INIT, &["thesis"]).ok();
        project(
            &host,
            user,
            "thesis",
            &[("requirements.txt", &format!("{package}\n"))],
        );
        host.as_user(user).run(LAUNCH, &["thesis"]).ok();
        let attach = host.as_user(user).stdin("tail -n 1 /installed\n");
        assert_eq!(
            attach.run("container-attach", &["thesis"]).ok(),
            format!("{package}\n")
        );
        host.as_user(user).run("container-retire", &["thesis"]).ok();
    }
}

#[test]
fn packages_arrive_at_pip_as_they_were_written() {
    let host = host();
    let pyproject = r#"
[project]
name = "thesis"
dependencies = [
    "numpy>=1.26,<3",
    'x[one,two]~=1.4 ; python_version < "3.12" and sys_platform != "win32"',
    "y @ https://host/y-1.whl?a=b&c=$HOME#sha256=0f",
    "z==1.0+cu121",
    "it's `id` $(id) \\ ${HOME}",
]
[project.optional-dependencies]
dev = ["pytest"]
[tool.ds01]
apt = ["ffmpeg", "libc6=2.36-9+deb12u4"]
groups = ["dev"]
gpus = 0
"#;
    let requirements = "# mine\r\nnumpy >= 1 ; python_version > '3'\r\n-e .\r\n-r more.txt\r\n\
                        a @ git+https://host/a.git@main#egg=a\r\nb==1 \\\r\n  --hash=sha256:0\r\n";
    let environment = "dependencies:\n- python=3.11\n- numpy=1.26\n- cudatoolkit=11.8\n\
                       - pip:\n  - 'w >= 1 ; extra == \"q\"'\n  - -e ./lib\n";
    let files = [
        ("pyproject.toml", pyproject),
        ("requirements.txt", requirements),
        ("environment.yml", environment),
        ("more.txt", "more\n"),
        ("data/large", "x"),
    ];
    project(&host, "alice", "thesis", &files);
    let added = host.run(INIT, &["thesis", "--force", "--no-git"]);
    let told = "project-init: warning: environment.yml lists cudatoolkit=11.8, which pip is not told to \
                install\n\
                kept as they were: pyproject.toml, requirements.txt\n\
                next: project-launch thesis --open\n";
    assert_eq!(added, done(&format!("thesis in {FOLDER}\n"), told));
    let expected = format!(
        "apt-get update\n\
         apt-get install -y --no-install-recommends ffmpeg libc6=2.36-9+deb12u4\n\
         [install][--no-cache-dir][numpy==1.26.*][w >= 1 ; extra == \"q\"][-e][./lib]\n\
         [install][--no-cache-dir][numpy>=1.26,<3]\
         [x[one,two]~=1.4 ; python_version < \"3.12\" and sys_platform != \"win32\"]\
         [y @ https://host/y-1.whl?a=b&c=$HOME#sha256=0f][z==1.0+cu121]\
         [it's `id` $(id) \\ ${{HOME}}][pytest]\n\
         [install][--no-cache-dir][-r][requirements.txt]\n{requirements}"
    );
    assert_eq!(installed(&host, "thesis"), expected);
    let image = [
        "run",
        "--rm",
        "--network=none",
        "ds01-20001/thesis",
        "ls",
        "/workspace",
    ];
    let copied = host.docker(&image).ok();
    assert!(
        copied.contains("more.txt\n") && !copied.contains("data"),
        "{copied}"
    );
}

#[test]
fn a_file_that_cannot_be_understood_is_named_and_nothing_is_made() {
    let host = host();
    let refused = |file: &str, text: &str, reason: &str| {
        host.run("rm", &["-rf", "workspace"]).ok();
        project(&host, "alice", "thesis", &[(file, text)]);
        let refused = host.run(INIT, &["thesis", "--force"]);
        assert_eq!(
            (refused.status, &*refused.stdout),
            (Some(2), ""),
            "{file} {text}"
        );
        assert!(refused.stderr.contains(reason), "{}", refused.stderr);
        let left = host.run("sh", &["-c", "ls -A workspace/thesis"]).ok();
        assert_eq!(left, format!(".made\n{file}\n"));
    };
    let pyproject = "pyproject.toml";
    refused(
        pyproject,
        "[project]\n\ndependencies = 1\n",
        "pyproject.toml is wrong: line 3: ",
    );
    refused(
        pyproject,
        "[tool.ds01]\napt = ['a;id']\n",
        "no package of apt's can be called \"a;id\"",
    );
    refused(
        pyproject,
        "[tool.ds01]\nbase-image = 'a\\nRUN id'\n",
        "no image can be called",
    );
    refused(
        "environment.yml",
        "dependencies: 3\n",
        "environment.yml is wrong: ",
    );
}

#[test]
fn the_gpus_of_a_container_are_those_of_its_project() {
    let host = host();
    host.run(INIT, &["thesis"]).ok();
    let pyproject = read(&host, "pyproject.toml");
    let set = |gpus: &str| {
        let text = pyproject.replace("gpus = 1", gpus);
        project(&host, "alice", "thesis", &[("pyproject.toml", &text)]);
    };
    set("gpus = 'all'");
    let wrong = host.run(LAUNCH, &["thesis"]);
    assert_eq!(wrong.status, Some(2), "{}", wrong.stderr);
    assert_eq!(
        host.docker(&["images", "-q", "ds01-20001/thesis"]).ok(),
        "",
        "nothing was built"
    );
    set("gpus = 0");
    assert_eq!(
        host.run(LAUNCH, &["thesis"]).ok(),
        "thesis runs without GPU\n"
    );
}

/// As an editor does: a container from the description, then commands in it.
#[test]
fn a_dev_container_works_under_the_gateways_rules() {
    let host = TestHost::behind_gateway(1);
    lab(&host);
    host.run(INIT, &["thesis", "--image=lab", "--devcontainer"])
        .ok();
    let text = read(&host, ".devcontainer/devcontainer.json");
    assert!(text.contains("Build its image first: image-create thesis\n"));
    let json: String = text
        .lines()
        .filter(|line| !line.starts_with("//"))
        .collect();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let field = |name: &str| json[name].as_str().unwrap().to_string();
    host.run(LAUNCH, &["thesis"]).ok();
    host.run("container-retire", &["thesis"]).ok();

    let socket = format!("unix://{}", host.gateway_socket().display());
    let docker = |args: &[&str]| {
        let alice = host.as_user("alice").env("DOCKER_HOST", &socket);
        alice.run("docker", args).ok()
    };
    let mount = field("workspaceMount").replace("${localWorkspaceFolder}", FOLDER);
    let (user, image) = (field("containerUser"), field("image"));
    let home = json["containerEnv"]["HOME"].as_str().unwrap();
    let home = format!("HOME={home}");
    let label = format!("devcontainer.local_folder={FOLDER}");
    let run = [
        "run",
        "-d",
        "--name=dev",
        "--mount",
        &mount,
        "-u",
        &user,
        "-l",
        &label,
        "-e",
        &home,
        &image,
    ];
    docker(&[&run[..], &["sleep", "1000"]].concat());
    let (user, folder) = (field("remoteUser"), field("workspaceFolder"));
    let script = "id -u && pwd && touch made ~/own && head -n 1 /installed";
    let said = docker(&[
        "exec", "-u", &user, "-w", &folder, "dev", "sh", "-c", script,
    ]);
    assert_eq!(
        said,
        "20001\n/workspace\n[install][--no-cache-dir][-r][requirements.txt]\n"
    );
    assert!(is_there(&host, "workspace/thesis/made"));
    docker(&["rm", "-f", "dev"]);
}
