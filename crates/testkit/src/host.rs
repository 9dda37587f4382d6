//! A machine of its own for one test.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use nix::unistd::{Uid, mkdtemp, setsid};

use crate::{
    As, Engine, Gpus, Ledger, OrFail, Outcome, ScriptedEngine,
    engine::chosen,
    fail,
    gateway::by_gateway,
    gpus::whole,
    namespace::{MOUNTED, Namespace, Replaced},
    users::{self, GROUP, User},
};

/// The policy that a host starts with: small, so that a test reaches its limits quickly.
const LIMITS: &str = "\
defaults:
  max_gpu_equivalents: 1.0
  max_gpu_slots_per_container: 1
  allow_full_gpu: true
  max_containers_per_user: 3
  max_cpus: 1
  memory: 256m
  memory_swap: 256m
  shm_size: 64m
  pids_limit: 256
  gpu_hold_after_stop_h: 0.25
default_group: student
groups:
  student: {}
";

/// Users, homes, a private engine with the images `ds01-base` (has bash) and `ds01-busybox` (has
/// not), simulated GPUs and a configuration, in a directory and a mount namespace of their own.
///
/// Dropping it ends every process in it and removes it; so does the death of the test.
pub struct TestHost {
    root: PathBuf,
    namespace: Namespace,
    /// See guard.sh. Its standard input is held open as long as the host lives.
    guard: Child,
    /// The gateway, where users have no direct access.
    pub(crate) gateway: Mutex<Option<Child>>,
}

impl TestHost {
    /// A host with one whole GPU.
    pub fn new() -> Self {
        Self::with_gpus(1)
    }

    /// A host with this many whole GPUs of one kind.
    pub fn with_gpus(number: usize) -> Self {
        Self::with_json(&whole(&topology("h100"), number), by_gateway())
    }

    /// A host with this many whole GPUs, whose users have direct access, in whatever way others do:
    /// for what only that shows.
    pub fn with_direct_access(number: usize) -> Self {
        Self::with_json(&whole(&topology("h100"), number), false)
    }

    /// A host with this many whole GPUs, whose users reach it through the gateway alone, in
    /// whatever way others do.
    pub fn behind_gateway(number: usize) -> Self {
        Self::with_json(&whole(&topology("h100"), number), true)
    }

    /// A host with the GPUs of `crates/nvml-sim/topologies/<name>.json`.
    pub fn with_topology(name: &str) -> Self {
        Self::with_json(&topology(name), by_gateway())
    }

    fn with_json(gpus: &str, by_gateway: bool) -> Self {
        if !Uid::effective().is_root() {
            fail("needs root: it starts an engine of its own and switches between users");
        }
        let bin = bin_dir();
        let template = env::temp_dir().join("ds01-test-XXXXXX");
        let root = mkdtemp(&template).or_fail("make a temporary directory");
        // Users must get in; the directories below have their own modes.
        fs::set_permissions(&root, Permissions::from_mode(0o755)).or_fail("chmod");
        for directory in ["etc/groups", "home", "engine/hook"] {
            fs::create_dir_all(root.join(directory)).or_fail(directory);
        }
        copy(Path::new("/etc/."), &root.join("etc"));
        users::write_all(&root);
        let replaced = Replaced {
            covered: [
                // The whole of it: what covers a single file is gone when somebody replaces that
                // file outside, as useradd does.
                vec![(root.join("etc"), "/etc"), (root.join("home"), "/home")],
                chosen(),
            ]
            .concat(),
            readable: vec![
                (bin.clone(), "bin"),
                (repository().join("scripts"), "scripts"),
            ],
        };
        let namespace = Namespace::new(replaced).or_fail("make a mount namespace");
        let guard = guard(&namespace, &root);
        let host = Self {
            root,
            namespace,
            guard,
            gateway: Mutex::new(None),
        };
        host.gpus().set(gpus);
        host.config(&host.default_config(by_gateway));
        host.limits_yaml(LIMITS);
        host.bring_images(&bin);
        host.start_engine();
        host.make_state();
        if by_gateway {
            host.start_gateway();
        }
        host
    }

    /// Runs a command as alice, or fails the test if it takes over a minute.
    #[track_caller]
    pub fn run(&self, command: &str, args: &[&str]) -> Outcome {
        self.as_user("alice").run(command, args)
    }

    /// A user, root among them, about to run a command.
    #[track_caller]
    pub fn as_user(&self, name: &str) -> As<'_> {
        As::new(self, users::find(&self.root, name))
    }

    /// Adds a user to those of [`crate::USERS`], in the trusted group or not.
    pub fn add_user(&self, name: &str, uid: u32, trusted: bool) {
        users::add(&self.root, name, uid);
        if trusted {
            users::join_group(&self.root, name);
        }
    }

    /// Runs Docker's own client as root on this host's engine.
    #[track_caller]
    pub fn docker(&self, args: &[&str]) -> Outcome {
        let socket = format!("unix://{}", self.engine().socket().display());
        self.as_user("root")
            .env("DOCKER_HOST", &socket)
            .run("docker", args)
    }

    /// The private engine.
    pub fn engine(&self) -> Engine<'_> {
        Engine(self)
    }

    /// Puts an engine that answers by script in the place of the real one, which runs on unused.
    pub fn scripted_engine(&self) -> ScriptedEngine {
        let socket = self.root.join("scripted.sock");
        let real = self.engine().socket();
        let engine = ScriptedEngine::start(&socket);
        self.config(
            &self
                .config_text()
                .replace(&*real.to_string_lossy(), &socket.to_string_lossy()),
        );
        engine
    }

    /// The simulated GPUs.
    pub fn gpus(&self) -> Gpus<'_> {
        Gpus(self)
    }

    /// The directory that holds all of it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The state directory. The first command that root runs makes it.
    pub fn state_dir(&self) -> PathBuf {
        self.root.join("state")
    }

    /// The ledger as text.
    pub fn ledger_text(&self) -> String {
        fs::read_to_string(self.ledger().path()).or_fail("read the ledger")
    }

    /// The ledger's file.
    pub fn ledger(&self) -> Ledger<'_> {
        Ledger(self)
    }

    /// Where the home of a user is outside the namespace.
    pub fn home(&self, user: &str) -> PathBuf {
        self.root.join("home").join(user)
    }

    /// Replaces `ds01.toml`; a gateway that runs is started again with it.
    pub fn config(&self, text: &str) {
        fs::write(self.root.join("etc/ds01.toml"), text).or_fail("write ds01.toml");
        if self.stop_gateway() {
            self.start_gateway();
        }
    }

    /// The present `ds01.toml`.
    pub fn config_text(&self) -> String {
        fs::read_to_string(self.root.join("etc/ds01.toml")).or_fail("read ds01.toml")
    }

    /// Replaces `resource-limits.yaml`.
    pub fn limits_yaml(&self, text: &str) {
        fs::write(self.root.join("etc/resource-limits.yaml"), text).or_fail("write the limits");
    }

    /// The present `resource-limits.yaml`.
    pub fn limits_text(&self) -> String {
        fs::read_to_string(self.root.join("etc/resource-limits.yaml")).or_fail("read the limits")
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The variables of every command, whoever runs it.
    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        let system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        [
            ("PATH", format!("{MOUNTED}/bin:{system}")),
            ("LANG", "C.UTF-8".into()),
            (
                "DS01_CONFIG",
                self.root
                    .join("etc/ds01.toml")
                    .to_string_lossy()
                    .into_owned(),
            ),
        ]
    }

    pub(crate) fn start_engine(&self) {
        let engine = self.root.join("engine");
        let bin = format!("{MOUNTED}/bin");
        self.script(
            "engine",
            &[
                "start",
                &engine.to_string_lossy(),
                "--group",
                GROUP,
                "--bin",
                &bin,
            ],
        );
    }

    /// Runs one of scripts/ to its good end.
    pub(crate) fn script(&self, name: &str, args: &[&str]) {
        let script = format!("{MOUNTED}/scripts/{name}");
        let mut root = self.as_user("root");
        // When Go's programs collect garbage: an engine of a few seconds need not.
        for key in ["GOGC", "GOMEMLIMIT"] {
            if let Ok(value) = env::var(key) {
                root = root.env(key, &value);
            }
        }
        root.run(&script, args).ok();
    }

    fn default_config(&self, by_gateway: bool) -> String {
        let root = self.root.display();
        let access = match by_gateway {
            true => String::new(),
            false => format!("[access]\ndocker_group = \"{GROUP}\"\n"),
        };
        format!(
            "[engine]\nsocket = \"{root}/engine/docker.sock\"\n\n\
             [paths]\nconfig = \"{root}/etc\"\nstate = \"{root}/state\"\nlog = \"{root}/log\"\n\
             run = \"{root}/run\"\n\n\
             [gpu]\nlibrary = \"{root}/engine/hook/libnvidia-ml.so.1\"\n\n\
             {access}"
        )
    }

    /// Lets root make the state directory, as an installation does.
    fn make_state(&self) {
        if bin_dir().join("gpu-status").exists() {
            self.as_user("root").run("gpu-status", &[]).ok();
        }
    }
}

impl Default for TestHost {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // It cannot fail: the guard is our child and was not waited for.
        let _ = self.guard.wait();
    }
}

fn guard(namespace: &Namespace, root: &Path) -> Child {
    let nobody_else = User {
        name: "root".into(),
        home: "/root".into(),
        uid: Uid::from_raw(0),
        gid: 0.into(),
        groups: Vec::new(),
    };
    let mut command = namespace.command("/bin/sh", &nobody_else, c"/".into());
    command
        .args(["-c", include_str!("guard.sh"), "guard"])
        .arg(root);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // SAFETY: setsid is one system call. What kills the test's process group spares the guard.
    unsafe {
        command.pre_exec(|| Ok(setsid().map(drop)?));
    }
    command.spawn().or_fail("start the guard")
}

/// Where the built programs are: beside the test, or one above in Cargo's `deps`.
fn bin_dir() -> PathBuf {
    let test = env::current_exe().or_fail("find the test's own file");
    let directory = test
        .ancestors()
        .skip(1)
        .find(|directory| !directory.ends_with("deps"));
    let bin = directory.unwrap_or(Path::new("/")).to_path_buf();
    let needed = [
        "nvidia-container-runtime-hook",
        "libnvml_sim.so",
        "ds01-runc",
    ];
    if !needed.iter().all(|file| bin.join(file).exists()) {
        fail("what engines need is not built: cargo build -p nvml-sim -p ds01-runc");
    }
    bin
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn topology(name: &str) -> String {
    let file = repository()
        .join("crates/nvml-sim/topologies")
        .join(name)
        .with_extension("json");
    fs::read_to_string(&file).or_fail(file.display())
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .arg("-a")
        .arg("--reflink=auto")
        .arg(from)
        .arg(to)
        .output();
    let copied = copied.or_fail("start cp");
    if !copied.status.success() {
        fail(format_args!(
            "cp: {}",
            String::from_utf8_lossy(&copied.stderr)
        ));
    }
}
