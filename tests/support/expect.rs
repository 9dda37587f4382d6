//! What several modules need to say what they expect.

use ds01_testkit::{Outcome, TestHost};

/// The uid of alice, who runs most commands.
pub(crate) const ALICE: u32 = 20001;

/// The UUID of whole GPU `index` of [`TestHost::with_gpus`].
pub(crate) fn uuid(index: u32) -> String {
    format!("GPU-5eed0000-0000-4000-8000-{index:012x}")
}

/// A command that worked and printed this.
pub(crate) fn done(stdout: &str, stderr: &str) -> Outcome {
    outcome(0, stdout, stderr)
}

/// A command that failed with this on standard error, and nothing on standard output.
pub(crate) fn failed(status: i32, stderr: &str) -> Outcome {
    outcome(status, "", stderr)
}

/// A whole outcome.
pub(crate) fn outcome(status: i32, stdout: &str, stderr: &str) -> Outcome {
    Outcome {
        status: Some(status),
        stdout: stdout.into(),
        stderr: stderr.into(),
    }
}

/// Creates and starts a container of alice's with a GPU, from the image that has bash.
#[track_caller]
pub(crate) fn running(host: &TestHost, name: &str) {
    created(host, name);
    host.run("container-start", &[name]).ok();
}

/// Creates a container of alice's with a GPU, from the image that has bash.
#[track_caller]
pub(crate) fn created(host: &TestHost, name: &str) {
    host.run("container-create", &[name, "--image=ds01-base"])
        .ok();
}

/// What the shell in a running container of alice's answers to `script`.
#[track_caller]
pub(crate) fn inside(host: &TestHost, name: &str, script: &str) -> String {
    let attach = host.as_user("alice").stdin(script);
    attach.run("container-attach", &[name]).ok()
}

/// What the engine knows of a container, by a template of `docker inspect`.
#[track_caller]
pub(crate) fn inspect(host: &TestHost, engine_name: &str, template: &str) -> String {
    let inspected = host.docker(&["container", "inspect", "-f", template, engine_name]);
    inspected.ok().trim_end().into()
}

/// The engine's word for the state of a container of alice's.
#[track_caller]
pub(crate) fn state(host: &TestHost, name: &str) -> String {
    inspect(host, &engine_name(name), "{{.State.Status}}")
}

/// A container of alice's as the engine calls it.
pub(crate) fn engine_name(name: &str) -> String {
    format!("{name}._.{ALICE}")
}

/// The policy of the host with one line of it replaced.
#[track_caller]
pub(crate) fn with_limit(host: &TestHost, key: &str, value: &str) {
    let limits = host.limits_text();
    let known = format!("  {key}: ");
    assert!(limits.contains(&known), "{key} is not in {limits}");
    let lines = limits.lines().map(|line| match line.starts_with(&known) {
        true => format!("{known}{value}\n"),
        false => format!("{line}\n"),
    });
    host.limits_yaml(&lines.collect::<String>());
}

/// The configuration of the host with more in it.
pub(crate) fn with_config(host: &TestHost, more: &str) {
    host.config(&format!("{}\n{more}", host.config_text()));
}

/// An image that is `base` with files, which are paths and what they hold, and settings as in a
/// Dockerfile.
#[track_caller]
pub(crate) fn image(
    host: &TestHost,
    name: &str,
    base: &str,
    files: &[(&str, &str)],
    changes: &[&str],
) {
    let draft = host.docker(&["create", base, "true"]).ok();
    let draft = draft.trim();
    for (path, text) in files {
        let file = host.root().join("image-file");
        std::fs::write(&file, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&file, mode).unwrap();
        let target = format!("{draft}:{path}");
        host.docker(&["cp", &file.to_string_lossy(), &target]).ok();
    }
    let changes = changes.iter().flat_map(|change| ["--change", change]);
    let commit: Vec<_> = ["commit"].into_iter().chain(changes).collect();
    host.docker(&[&commit[..], &[draft, name]].concat()).ok();
    host.docker(&["rm", draft]).ok();
}

/// Makes files of a user's project, as that user: paths in its folder, and what they hold.
#[track_caller]
pub(crate) fn project(host: &TestHost, user: &str, name: &str, files: &[(&str, &str)]) {
    for (path, text) in [&[(".made", "")], files].concat() {
        let path = format!("workspace/{name}/{path}");
        let script = "mkdir -p \"$(dirname \"$0\")\" && cat >\"$0\"";
        let writer = host.as_user(user).stdin(text);
        writer.run("sh", &["-c", script, &path]).ok();
    }
}

/// Puts a script in the place of the hook that gives GPUs to containers which start.
pub(crate) fn with_hook(host: &TestHost, script: &str) {
    let hook = host
        .root()
        .join("engine/hook/nvidia-container-runtime-hook");
    let new = hook.with_extension("new");
    std::fs::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&new, mode).unwrap();
    std::fs::rename(&new, hook).unwrap();
}

/// The containers that the engine has, by name.
#[track_caller]
pub(crate) fn all_containers(host: &TestHost) -> String {
    host.docker(&["ps", "-a", "--format", "{{.Names}}"]).ok()
}
