//! NVIDIA's driver, and what hands its devices to containers.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::{ffi::OsStringExt, fs::MetadataExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ds01_core::device::Inventory;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use super::Finding;
use crate::nvml::{NO_MIG_DEVICES, NvmlError, Probe};

const DRIVER: &str = "driver";
const RUNTIME: &str = "runtime";

/// The engine looks for it once, when it starts.
const HOOK: &str = "nvidia-container-runtime-hook";

/// Asks the driver what there is.
pub(super) fn driver(library: Option<&Path>) -> (Vec<Finding>, Option<Inventory>) {
    match Probe::begin(library).and_then(Probe::finish) {
        Ok(inventory) => (told(&inventory), Some(inventory)),
        Err(error) => (vec![silent(&error)], None),
    }
}

fn told(inventory: &Inventory) -> Vec<Finding> {
    let version = &inventory.driver;
    let count = inventory.devices.len();
    let devices = if count == 1 { "device" } else { "devices" };
    let what = format!("NVIDIA's driver {version} shows {count} {devices}");
    let problems = inventory.problems.iter().map(|problem| {
        if problem.ends_with(NO_MIG_DEVICES) {
            Finding::warning(DRIVER, problem)
                .because("nobody can be given that GPU")
                .mend("make some with nvidia-smi mig -cgi, or end MIG mode with nvidia-smi -mig 0")
        } else {
            Finding::wrong(DRIVER, problem)
                .because("nobody is given that GPU, and whoever has it may lose work")
                .mend("nvidia-smi and dmesg tell more; it may take a reset or a reboot")
        }
    });
    [Finding::ok(DRIVER, what)]
        .into_iter()
        .chain(problems)
        .chain(untold(inventory))
        .collect()
}

/// The devices of which the driver does not tell who uses them.
fn untold(inventory: &Inventory) -> Option<Finding> {
    let devices = inventory.devices.iter();
    let untold = devices.filter(|device| device.activity.processes.is_none());
    let slots: Vec<_> = untold.map(|device| device.slot.to_string()).collect();
    let what = format!("the driver does not tell who uses GPU {}", slots.join(" "));
    (!slots.is_empty()).then(|| {
        Finding::warning(DRIVER, what)
            .because("it is given though somebody may use it outside every container")
            .mend("drivers from release 510 on tell")
    })
}

fn silent(error: &NvmlError) -> Finding {
    let what = error.to_string();
    match error {
        NvmlError::Absent(_) => Finding::warning(DRIVER, what)
            .because("only containers without GPU can be made")
            .mend("install the driver; gpu.library in ds01.toml says where the loader does not find it"),
        NvmlError::System(_) => Finding::unknown(DRIVER, what),
        NvmlError::Failed(_) | NvmlError::Hung(_) => Finding::wrong(DRIVER, what)
            .because("no GPU can be given to anybody")
            .mend("nvidia-smi and dmesg tell more"),
    }
}

/// Whether the engine can give GPUs. `path` is the engine's own PATH, if it is known.
pub(super) fn runtime(
    inventory: Option<&Inventory>,
    by_cdi: bool,
    path: Option<&OsStr>,
) -> Option<Finding> {
    inventory.filter(|all| !all.devices.is_empty())?;
    if by_cdi {
        return Some(Finding::ok(RUNTIME, "the engine gives GPUs by CDI"));
    }
    Some(match path.map(|path| find(path, HOOK)) {
        Some(Some(hook)) => Finding::ok(
            RUNTIME,
            format!("the engine gives GPUs with {}", hook.display()),
        ),
        Some(None) => Finding::wrong(RUNTIME, format!("the engine has no {HOOK} on its PATH"))
            .because("containers with GPUs can be created, and none of them starts")
            .mend("apt-get install nvidia-container-toolkit; systemctl restart docker"),
        None => Finding::unknown(RUNTIME, format!("whether the engine finds {HOOK}"))
            .because("its environment cannot be read")
            .mend("run ds01-doctor as root"),
    })
}

/// The PATH that the engine was started with.
pub(super) fn path_of_engine(socket: &Path) -> Option<OsString> {
    let environment = fs::read(format!("/proc/{}/environ", pid(socket)?)).ok()?;
    let mut variables = environment.split(|byte| *byte == 0);
    let path = variables.find_map(|variable| variable.strip_prefix(b"PATH="))?;
    Some(OsString::from_vec(path.to_vec()))
}

/// The process that listens on the engine's socket. Where systemd made that socket it is not
/// the engine, whose own file tells then.
pub(super) fn pid(socket: &Path) -> Option<i32> {
    // Anybody can listen somewhere under that name, with a PATH of their own.
    let is_engine = |pid: &i32| {
        fs::read(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_ascii() == b"dockerd")
            && fs::metadata(format!("/proc/{pid}")).is_ok_and(|process| process.uid() == 0)
    };
    let peer = UnixStream::connect(socket).ok().and_then(|stream| {
        let credentials = getsockopt(&stream, PeerCredentials).ok()?;
        Some(credentials.pid())
    });
    let noted = || {
        fs::read_to_string("/run/docker.pid")
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    peer.filter(is_engine).or_else(|| noted().filter(is_engine))
}

fn find(path: &OsStr, program: &str) -> Option<PathBuf> {
    env::split_paths(path)
        .map(|dir| dir.join(program))
        .find(|file| {
            fs::metadata(file).is_ok_and(|file| file.is_file() && file.mode() & 0o111 != 0)
        })
}

/// The version of NVIDIA's container toolkit on the engine's PATH, by its own word. Those programs
/// run as root anyway: the engine runs them.
pub(super) fn toolkit(path: &OsStr) -> Option<String> {
    let told = ["nvidia-ctk", "nvidia-container-cli"]
        .iter()
        .find_map(|name| {
            let mut program = Command::new(find(path, name)?);
            program.arg("--version").env_clear().stdin(Stdio::null());
            program.output().ok().filter(|ended| ended.status.success())
        })?;
    version_in(&told.stdout)
}

/// The first word of the first line that begins with a digit: `NVIDIA Container Toolkit CLI version 1.17.8`.
fn version_in(output: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    let mut words = text.lines().next()?.split_whitespace();
    let version = words.find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    version.map(str::to_string)
}

#[cfg(test)]
mod tests {
    use ds01_core::device::{Activity, Device, Slot, Uuid};
    use ds01_core::share::Share;

    use super::{super::Verdict, *};

    fn inventory() -> Inventory {
        let uuid = Uuid("GPU-0".into());
        Inventory {
            devices: vec![Device {
                gpu: uuid.clone(),
                uuid,
                slot: Slot { gpu: 0, mig: None },
                share: Share::WHOLE,
                model: String::new(),
                profile: None,
                memory_bytes: 0,
                activity: Activity::default(),
            }],
            ..Inventory::default()
        }
    }

    #[test]
    fn a_gpu_needs_a_way_into_containers() {
        let verdict = |by_cdi, path: Option<&str>| {
            let found = runtime(Some(&inventory()), by_cdi, path.map(OsStr::new));
            found.map(|finding| finding.verdict)
        };
        assert_eq!(verdict(true, None), Some(Verdict::Ok));
        assert_eq!(verdict(false, Some("/nonexistent")), Some(Verdict::Wrong));
        assert_eq!(verdict(false, None), Some(Verdict::Unknown));
        assert_eq!(runtime(Some(&Inventory::default()), false, None), None);
        assert_eq!(runtime(None, false, None), None);
    }

    #[test]
    fn a_driver_that_does_not_tell_who_uses_a_gpu_is_told() {
        let verdicts = |inventory: &Inventory| -> Vec<_> {
            told(inventory).iter().map(|found| found.verdict).collect()
        };
        let mut inventory = inventory();
        assert_eq!(verdicts(&inventory), [Verdict::Ok, Verdict::Warning]);
        inventory.devices[0].activity.processes = Some(Vec::new());
        assert_eq!(verdicts(&inventory), [Verdict::Ok]);
    }

    #[test]
    fn each_silence_of_the_driver_has_its_weight() {
        for (error, verdict) in [
            (NvmlError::Absent(String::new()), Verdict::Warning),
            (NvmlError::Failed(String::new()), Verdict::Wrong),
            (NvmlError::Hung(15), Verdict::Wrong),
            (NvmlError::System(String::new()), Verdict::Unknown),
        ] {
            assert_eq!(silent(&error).verdict, verdict);
        }
    }

    #[test]
    fn the_toolkits_version_is_found_in_what_it_prints() {
        for (output, version) in [
            (
                "NVIDIA Container Toolkit CLI version 1.17.8\ncommit: 9d\n",
                Some("1.17.8"),
            ),
            ("cli-version: 1.16.1\nlib-version: 1.16.1\n", Some("1.16.1")),
            ("usage\n1.2.3\n", None),
            ("", None),
        ] {
            assert_eq!(version_in(output.as_bytes()).as_deref(), version);
        }
    }
}
