//! The GPUs of this host, as NVIDIA's driver tells of them through NVML.
//!
//! A driver can hang in a call that only the kernel ends, so it is asked in a process of its own
//! that is killed when its time is over: the command goes on, and says what is wrong.

use std::{io, mem::ManuallyDrop, path::Path, time::Duration};

use ds01_core::{
    catalogue::{Capability, Cuda},
    device::{Activity, Device, Inventory, Slot, Uuid},
    failure::{Kind, UserError},
    share::Share,
};
use nix::{
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
    unistd::alarm,
};
use nvml_wrapper::{Device as Handle, Nvml, error::NvmlError as Error};
use serde::{Deserialize, Serialize};

use crate::child_task::ChildTask;

/// What the driver has to tell all there is. A healthy one takes milliseconds; one that has to
/// wake GPUs without its persistence daemon, seconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(15);

/// The end of a problem that an admin mends by making MIG devices: the GPU itself is well.
pub(crate) const NO_MIG_DEVICES: &str = "in MIG mode without MIG devices";

/// Why the GPUs are not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum NvmlError {
    /// No driver, or its library is not there.
    #[error("no NVIDIA driver answers: {0}")]
    Absent(String),
    /// The driver reports an error about itself.
    #[error("the NVIDIA driver failed: {0}")]
    Failed(String),
    /// No answer in time.
    #[error("the NVIDIA driver did not answer within {0} s")]
    Hung(u64),
    /// The process that asks could not be made.
    #[error("cannot ask the NVIDIA driver: {0}")]
    System(String),
}

impl UserError for NvmlError {
    fn kind(&self) -> Kind {
        Kind::Unreachable
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Absent(_) => {
                "a container without GPU can be made: container-create <name> --cpu-only".into()
            }
            _ => "tell an admin; nvidia-smi on the host shows more".into(),
        })
    }
}

/// A question to the driver that is being answered by another process.
pub struct Probe(ChildTask<Result<Inventory, NvmlError>>);

impl Probe {
    /// Begins to ask. A lock that this process has is kept as long as the driver hangs: nobody asks it
    /// again meanwhile who has to have that lock. `library` is the driver's library; `None` is the
    /// loader's choice.
    ///
    /// Only for a process with one thread: the child runs on with a copy of its memory.
    ///
    /// # Errors
    ///
    /// [`NvmlError::System`] if there can be no process for it.
    pub fn begin(library: Option<&Path>) -> Result<Self, NvmlError> {
        let system = |error: io::Error| NvmlError::System(error.to_string());
        ChildTask::begin_with_locks(LIMIT, || inventory(library))
            .map(Self)
            .map_err(system)
    }

    /// Waits for the answer.
    ///
    /// # Errors
    ///
    /// [`NvmlError`], after the time limit at the latest.
    pub fn finish(self) -> Result<Inventory, NvmlError> {
        self.0.finish().unwrap_or_else(|error| {
            Err(match error.kind() {
                io::ErrorKind::TimedOut => NvmlError::Hung(LIMIT.as_secs()),
                io::ErrorKind::UnexpectedEof => {
                    NvmlError::Failed("it ended the process that asked".into())
                }
                _ => NvmlError::System(error.to_string()),
            })
        })
    }
}

/// Asks in this process, which ends with status 8 if the driver hangs: for a duty, which makes no
/// other one, and from which nobody waits for an answer.
///
/// # Errors
///
/// [`NvmlError`] of a driver that answers.
pub(crate) fn ask_or_end(library: Option<&Path>) -> Result<Inventory, NvmlError> {
    let ended = SigAction::new(SigHandler::Handler(hung), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler makes two system calls, and does not return.
    #[expect(unsafe_code, reason = "only a signal ends a call that hangs")]
    let before = unsafe { sigaction(Signal::SIGALRM, &ended) };
    let before = before.map_err(|error| NvmlError::System(error.to_string()))?;
    // Whoever started us may have blocked it: then nothing ends a driver that hangs.
    let _ = SigSet::from(Signal::SIGALRM).thread_unblock();
    alarm::set(LIMIT.as_secs() as u32);
    let inventory = inventory(library);
    alarm::cancel();
    // SAFETY: what it was before.
    #[expect(unsafe_code, reason = "as above")]
    let _ = unsafe { sigaction(Signal::SIGALRM, &before) };
    inventory
}

extern "C" fn hung(_: nix::libc::c_int) {
    // Nothing can be formatted here: the words are [`NvmlError::Hung`]'s.
    const MESSAGE: &[u8] = b"the NVIDIA driver did not answer within 15 s; nothing was done\n";
    const _: () = assert!(LIMIT.as_secs() == 15, "MESSAGE names the limit");
    // SAFETY: both may be called in a signal handler.
    #[expect(unsafe_code, reason = "little else may be called here")]
    unsafe {
        nix::libc::write(2, MESSAGE.as_ptr().cast(), MESSAGE.len());
        nix::libc::_exit(8);
    }
}

/// Asks in this process.
fn inventory(library: Option<&Path>) -> Result<Inventory, NvmlError> {
    let mut builder = Nvml::builder();
    if let Some(library) = library {
        builder.lib_path(library.as_os_str());
    }
    let nvml = builder.init().map_err(|error| match error {
        Error::LibloadingError(_) | Error::DriverNotLoaded | Error::LibraryNotFound => {
            NvmlError::Absent(one_line(&error))
        }
        error => NvmlError::Failed(one_line(&error)),
    })?;
    // Not shut down: this process is about to end, and somebody waits for what it found.
    let nvml = ManuallyDrop::new(nvml);
    let failed = |error| NvmlError::Failed(one_line(&error));
    let driver = nvml.sys_driver_version().map_err(failed)?;
    let mut inventory = Inventory {
        driver,
        ..Inventory::default()
    };
    inventory.hardware.cuda = readable(nvml.sys_cuda_driver_version())
        .map_err(failed)?
        .and_then(cuda);
    for index in 0..nvml.device_count().map_err(failed)? {
        let gpu = nvml
            .device_by_index(index)
            .and_then(|gpu| Ok((devices(&gpu, index)?, capability(&gpu)?)));
        match gpu {
            Ok(((devices, problem), capability)) => {
                inventory.devices.extend(devices);
                let known = &mut inventory.hardware.capabilities;
                known.extend(capability.filter(|new| !known.contains(new)));
                inventory.problems.extend(problem);
            }
            Err(error) => inventory
                .problems
                .push(format!("GPU {index}: {}", one_line(&error))),
        }
    }
    Ok(inventory)
}

/// NVML's number for a version of CUDA: 12040 for 12.4.
fn cuda(number: i32) -> Option<Cuda> {
    let number = u32::try_from(number).ok()?;
    Some(Cuda {
        major: number / 1000,
        minor: number % 1000 / 10,
    })
}

/// The compute capability of a GPU, if it can be told.
fn capability(gpu: &Handle<'_>) -> Result<Option<Capability>, Error> {
    let told = readable(gpu.cuda_compute_capability())?;
    let number = |number: i32| u32::try_from(number).ok();
    Ok(told.and_then(|told| Some(Capability(number(told.major)?, number(told.minor)?))))
}

/// The devices of one GPU: itself, or in MIG mode its MIG devices.
///
/// One that cannot be read whole is an error: nothing of it is given.
fn devices(gpu: &Handle<'_>, index: u32) -> Result<(Vec<Device>, Option<String>), Error> {
    let uuid = Uuid(gpu.uuid()?.into());
    let in_mig_mode = match gpu.mig_mode() {
        Ok(mode) => mode.current == 1,
        Err(Error::NotSupported | Error::FailedToLoadSymbol(_)) => false,
        Err(error) => return Err(error),
    };
    if !in_mig_mode {
        let slot = Slot {
            gpu: index,
            mig: None,
        };
        let whole = device(gpu, uuid.clone(), slot, Share::WHOLE)?;
        return Ok((vec![whole], None));
    }
    // As many as the GPU has compute slices: 7 on A100 and H100, 4 on A30.
    let most = gpu.mig_device_count()?;
    let mut found = Vec::new();
    for at in 0..most {
        let mig = match gpu.mig_device_by_index(at) {
            Ok(mig) => mig,
            Err(Error::NotFound) => continue,
            Err(error) => return Err(error),
        };
        let slices = mig.attributes()?.compute_instance_slice_count;
        let Some(share) = Share::of_mig(slices, most) else {
            let problem = format!("GPU {index}: MIG devices of {slices}/{most} are not known");
            return Ok((Vec::new(), Some(problem)));
        };
        let slot = Slot {
            gpu: index,
            mig: Some(at),
        };
        found.push(device(&mig, uuid.clone(), slot, share)?);
    }
    let problem = found
        .is_empty()
        .then(|| format!("GPU {index}: {NO_MIG_DEVICES}"));
    Ok((found, problem))
}

fn device(handle: &Handle<'_>, gpu: Uuid, slot: Slot, share: Share) -> Result<Device, Error> {
    let memory = handle.memory_info()?;
    // NVML has none for a GPU in MIG mode, nor for its parts: it would cost a call each.
    let utilisation = match slot.mig {
        None => readable(handle.utilization_rates())?.map(|rates| rates.gpu),
        Some(_) => None,
    };
    let processes = readable(handle.running_compute_processes())?;
    let name = handle.name()?;
    let profile = name.rsplit_once("MIG ").map_or("", |(_, profile)| profile);
    Ok(Device {
        uuid: Uuid(handle.uuid()?.into()),
        gpu,
        slot,
        share,
        model: name.split(" MIG ").next().unwrap_or(&name).to_string(),
        profile: slot.mig.map(|_| profile.to_string()),
        memory_bytes: memory.total,
        activity: Activity {
            memory_used_bytes: Some(memory.used),
            utilisation,
            processes: processes.map(|all| all.into_iter().map(|process| process.pid).collect()),
        },
    })
}

/// What some devices do not have is no error.
fn readable<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotSupported | Error::FailedToLoadSymbol(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn one_line(error: &Error) -> String {
    error
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}
