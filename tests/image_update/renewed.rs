//! What `pyproject.toml` and `environment.yml` list is repeated in the Dockerfile: what happens when
//! they are edited by hand.

use super::*;
use crate::support::expect::done;

const LAUNCH: &str = "project-launch";
const PYPROJECT: &str = "[project]\nname = 'thesis'\ndependencies = ['timm']\n";
const FOUND: &str = "import importlib.util as u\n\
                     print([n for n in 'timm einops numpy pandas'.split() if u.find_spec(n)])";

/// Writes a file of alice's project as if a minute had passed.
fn edit_later(host: &TestHost, file: &str, text: &str) {
    project(host, "alice", "thesis", &[(file, text)]);
    let script = format!("touch -d '1 minute' workspace/thesis/{file}");
    host.run("sh", &["-c", &script]).ok();
}

#[test]
fn the_rebuild_that_a_launch_names_takes_in_what_was_added_by_hand() {
    let host = host();
    project(&host, "alice", "thesis", &[("pyproject.toml", PYPROJECT)]);
    host.run("image-create", &["thesis"]).ok();
    host.run(LAUNCH, &["thesis"]).ok();
    let more = PYPROJECT.replace("'timm'", "'timm', 'einops'");
    edit_later(&host, "pyproject.toml", &more);
    let note = "pyproject.toml is newer than the image; a rebuild takes it in: container-retire \
                thesis && project-launch thesis --rebuild\n";
    let launched = host.run(LAUNCH, &["thesis"]);
    assert_eq!(launched, done("thesis runs already with GPU 0\n", note));
    host.run("container-retire", &["thesis"]).ok();
    let rebuilt = host.run(LAUNCH, &["thesis", "--rebuild"]);
    assert_eq!(
        told(&rebuilt),
        "Dockerfile written anew, with einops of pyproject.toml\n"
    );
    rebuilt.ok();
    assert_eq!(python_says(&host, FOUND), "['timm', 'einops']\n");

    // The image is the same, however many GPUs its container is given.
    edit_later(
        &host,
        "pyproject.toml",
        &format!("{more}[tool.ds01]\ngpus = 1\n"),
    );
    let launched = host.run(LAUNCH, &["thesis"]);
    assert_eq!(launched, done("thesis runs already with GPU 0\n", ""));
}

#[test]
fn a_rebuild_begins_from_the_image_that_the_project_names_by_now() {
    let host = host();
    host.docker(&["tag", "lab", "lab/pytorch:2.9"]).ok();
    let catalogue = "Pytorch, 2.9.0, CUDA_ADA, lab/pytorch:2.9\n";
    fs::write(host.root().join("etc/ml_images.repo"), catalogue).unwrap();
    let naming = |image: &str| format!("{PYPROJECT}[tool.ds01]\nbase-image = '{image}'\n");
    project(
        &host,
        "alice",
        "thesis",
        &[("pyproject.toml", &naming("lab"))],
    );
    host.run("image-create", &["thesis"]).ok();
    host.run(LAUNCH, &["thesis"]).ok();
    edit_later(&host, "pyproject.toml", &naming("pytorch:2.9"));
    let note = "pyproject.toml is newer than the image; a rebuild takes it in: container-retire \
                thesis && project-launch thesis --rebuild\n";
    let launched = host.run(LAUNCH, &["thesis"]);
    assert_eq!(launched, done("thesis runs already with GPU 0\n", note));
    let rebuilt = host.run(UPDATE, &["thesis", "--rebuild"]);
    assert_eq!(
        told(&rebuilt),
        "Dockerfile written anew, with base-image = \"pytorch:2.9\" of pyproject.toml\n"
    );
    rebuilt.ok();
    assert!(read(&host, "Dockerfile").contains("\nFROM lab/pytorch:2.9\n"));

    // One that is asked for by flag stays until the file says something else.
    host.run("image-create", &["thesis", "--image=lab", "--force"])
        .ok();
    let rebuilt = host.run(UPDATE, &["thesis", "--rebuild"]);
    assert_eq!(told(&rebuilt), "");
    rebuilt.ok();
    assert!(read(&host, "Dockerfile").contains("\nFROM lab\n"));
    let dockerfile = read(&host, "Dockerfile");
    edit_later(&host, "pyproject.toml", &naming("pytorch:7"));
    let refused = host.run(UPDATE, &["thesis", "--rebuild"]);
    assert_eq!(refused.status, Some(3), "{refused:?}");
    assert_eq!(read(&host, "Dockerfile"), dockerfile);

    // Nor does one follow that somebody edited.
    let mine = read(&host, "Dockerfile") + "RUN true\n";
    project(&host, "alice", "thesis", &[("Dockerfile", &mine)]);
    let rebuilt = host.run(UPDATE, &["thesis", "--rebuild"]);
    assert_eq!(
        told(&rebuilt),
        "image-update: warning: the Dockerfile begins from another image than pyproject.toml says, \
         which has base-image = \"pytorch:7\": name the same in both, here with image-update thesis \
         --edit\n"
    );
    rebuilt.ok();
    assert_eq!(read(&host, "Dockerfile"), mine);
}

#[test]
fn an_environment_that_was_edited_is_installed() {
    let host = host();
    let environment = "dependencies:\n- cudatoolkit\n- numpy=1.25\n";
    project(
        &host,
        "alice",
        "thesis",
        &[("environment.yml", environment)],
    );
    host.run("image-create", &["thesis"]).ok();
    edit_later(
        &host,
        "environment.yml",
        &format!("{environment}- einops\n"),
    );
    let updated = host.run(UPDATE, &["thesis", "--add", "einops"]);
    assert_eq!(
        told(&updated),
        "Dockerfile written anew, with einops of environment.yml\n\
         einops is in environment.yml already: einops\n"
    );
    updated.ok();
    assert_eq!(python_says(&host, FOUND), "['einops', 'numpy']\n");
    edit_later(
        &host,
        "environment.yml",
        "dependencies:\n- numpy=1.25\n- einops\n",
    );
    let rebuilt = host.run(UPDATE, &["thesis", "--rebuild"]);
    assert_eq!(
        told(&rebuilt),
        "Dockerfile written anew, as the project's files ask for it\n"
    );
    rebuilt.ok();
    assert!(!read(&host, "Dockerfile").contains("cudatoolkit"));
}

#[test]
fn a_dockerfile_that_was_edited_stays_and_its_user_is_told_what_takes_the_rest_in() {
    let host = host();
    let files = [
        ("pyproject.toml", PYPROJECT),
        ("environment.yml", "dependencies:\n- numpy=1.25\n- pandas\n"),
    ];
    project(&host, "alice", "thesis", &files);
    host.run("image-create", &["thesis"]).ok();
    host.run(LAUNCH, &["thesis"]).ok();
    let mine = format!("{}RUN echo mine >/mine\n", read(&host, "Dockerfile"));
    project(&host, "alice", "thesis", &[("Dockerfile", &mine)]);
    host.run(UPDATE, &["thesis", "--rebuild"]).ok();
    edit_later(
        &host,
        "pyproject.toml",
        &PYPROJECT.replace("'timm'", "'timm', 'einops'"),
    );
    edit_later(&host, "environment.yml", "dependencies:\n- numpy=1.25\n");
    let note = "the Dockerfile was edited, and has pandas, which environment.yml does not: \
                image-update thesis --remove='pandas'\n\
                the Dockerfile was edited, and lacks einops of pyproject.toml: image-update \
                thesis --add='einops'\n";
    let launched = host.run(LAUNCH, &["thesis"]);
    assert_eq!(launched, done("thesis runs already with GPU 0\n", note));
    let rebuilt = host.run(UPDATE, &["thesis", "--rebuild"]);
    let warned: String = note
        .lines()
        .map(|line| format!("image-update: warning: {line}\n"))
        .collect();
    assert_eq!(told(&rebuilt), warned);
    rebuilt.ok();
    assert_eq!(read(&host, "Dockerfile"), mine);

    host.run("sh", &["-c", "image-update thesis --remove='pandas'"])
        .ok();
    let added = host.run("sh", &["-c", "image-update thesis --add='einops'"]);
    assert_eq!(
        told(&added),
        "einops of pyproject.toml added to Dockerfile\n"
    );
    added.ok();
    assert_eq!(python_says(&host, FOUND), "['timm', 'einops', 'numpy']\n");
    assert!(read(&host, "Dockerfile").ends_with("RUN echo mine >/mine\n"));
}
