//! One allocation as a command makes it, from exec to exit, against its parts alone.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
};

use ds01_core::{
    admit::Request,
    allocate::allocate,
    failure::Failure,
    gpu_request::GpuRequest,
    ledger::{Allocation, Holding, Ledger, PENDING},
    name::EngineName,
    time::Timestamp,
};
use ds01_host::{Caller, Site, clock, config::Config, look::Scope, nvml::Probe, users};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nvml_wrapper::Nvml;

use crate::{
    Result,
    figure::{Goal, figure, medians, run, time},
    raw,
};

const ROUNDS: usize = 31;
const NAME: &str = "bench";

pub(crate) fn measure(present: &str, copy: &str) -> Result<()> {
    let config = Config::load()?;
    let library = config
        .gpu
        .library
        .clone()
        .unwrap_or("libnvidia-ml.so.1".into());
    let socket = config.engine.socket.clone();
    let site = Site::new(config, "bench").map_err(told)?;
    let container = of_caller(NAME)?;
    let uid = container.uid;
    let bytes = fs::read(Path::new(copy).join("ledger.json"))?;
    let path = raw::list(&format!(r#"{{"label":["ds01.uid={uid}"]}}"#));

    let [ours, least] = medians(
        ROUNDS,
        [
            ("an allocation", &mut || {
                let taken = time(|| run("ds01-bench", &["allocate-once", NAME]));
                release(&site, &container)?;
                taken
            }),
            ("its parts", &mut || {
                // Shut down when the time is over: the next start loads the library anew, as a
                // process has to, and a process ends without looking back.
                let mut driver = None;
                time(|| {
                    run("/bin/true", &[])?;
                    raw::call(&socket, "GET", &path, "")?;
                    driver = Some(Nvml::builder().lib_path(library.as_os_str()).init()?);
                    replace(Path::new(copy), &bytes)
                })
            }),
        ],
    )?;
    figure(
        format_args!(
            "one allocation, {present} there: against /bin/true, one raw list call, NVML's start and the files alone"
        ),
        ours / least,
        Goal::AtMost(1.5),
    )
}

/// Allocates one device, and ends.
pub(crate) fn once(name: &str) -> Result<()> {
    let config = Config::load()?;
    let probe = Probe::begin(config.gpu.library.as_deref())?;
    let site = Site::new(config, "bench").map_err(told)?;
    let container = of_caller(name)?;
    let person = users::person(container.uid)?;
    let limits = site.policy().map_err(told)?.limits_for(&person.login);
    let look = site.look(&Scope::Of(container.uid)).map_err(told)?;
    let inventory = probe.finish()?;
    let request = Request {
        container,
        devices: GpuRequest::any(1),
        run: None,
    };
    let grant = |ledger: &mut Ledger, now: Timestamp| {
        let devices = allocate(&request, &limits, &inventory, ledger, now)?.devices;
        ledger.put(Allocation {
            container: request.container.clone(),
            id: None,
            devices,
            holding: Holding::Pending {
                creator: clock::this_process(),
                lapses: now + PENDING,
            },
            hold: limits.gpu_hold_after_stop,
            group: String::new(),
            ends: None,
            passed: None,
            late: Vec::new(),
            changed: 0,
        });
        Ok(())
    };
    site.change(&look, grant).map_err(told)
}

/// Takes an allocation back.
pub(crate) fn release(site: &Site, container: &EngineName) -> Result<()> {
    let look = site.look(&Scope::Nothing).map_err(told)?;
    let remove = |ledger: &mut Ledger, _| Ok(ledger.remove(container));
    site.change(&look, remove).map_err(told)?;
    Ok(())
}

/// The caller's container of this name.
pub(crate) fn of_caller(name: &str) -> Result<EngineName> {
    Ok(EngineName {
        name: name.parse()?,
        uid: Caller::of_this_process().uid,
    })
}

/// A failure as an error.
pub(crate) fn told(failure: Failure) -> Box<dyn std::error::Error> {
    failure.message.into()
}

/// What the ledger's protocol asks of the disk: the lock, a read, a write, and the exchange.
fn replace(dir: &Path, bytes: &[u8]) -> Result<()> {
    let lock = File::open(dir.join("ledger.json.lock"))?;
    lock.lock()?;
    let (path, spare) = (dir.join("ledger.json"), dir.join("ledger.json.new"));
    fs::read(&path)?;
    let file = OpenOptions::new().write(true).open(&spare)?;
    file.write_all_at(bytes, 0)?;
    renameat2(
        AT_FDCWD,
        &spare,
        AT_FDCWD,
        &path,
        RenameFlags::RENAME_EXCHANGE,
    )?;
    Ok(())
}
