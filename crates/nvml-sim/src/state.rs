//! The library between calls: whether it is initialised, the file as last read, the handles given.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::Path,
    ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlReturn_enum_NVML_SUCCESS, nvmlReturn_t};

use crate::{
    device::Device,
    fault::Fault,
    library,
    topology::{FILE, Topology},
};

static STATE: Mutex<State> = Mutex::new(State {
    users: 0,
    file: None,
    handles: Vec::new(),
});

struct State {
    /// Calls of `nvmlInit` that no `nvmlShutdown` has answered.
    users: u32,
    /// The file as it was read last.
    file: Option<Snapshot>,
    /// The UUIDs of the devices asked for so far. A handle is a place in this list, counted from 1.
    handles: Vec<String>,
}

/// What the file held.
struct Snapshot {
    /// Tells whether the path still leads to the same content.
    stamp: Stamp,
    /// Kept open, so that its inode is not given to a file that replaces it.
    _open: File,
    content: Result<Arc<Topology>, Fault>,
}

/// Device, inode, size, and seconds and nanoseconds of the last change.
type Stamp = (u64, u64, u64, i64, i64);

fn stamp(metadata: &fs::Metadata) -> Stamp {
    let m = metadata;
    (m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec())
}

/// Answers a call of `function` by `answer`, or as the file's failures want it.
pub(crate) fn call(
    function: &'static str,
    answer: impl FnOnce(&mut Call) -> Result<(), Fault>,
) -> nvmlReturn_t {
    let state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut call = Call { function, state };
    let answered = answer(&mut call);
    // A call that hangs lets others go on, so the state is given back first.
    drop(call);
    match answered {
        Ok(()) => nvmlReturn_enum_NVML_SUCCESS,
        Err(Fault::Error(number)) => number,
        Err(Fault::Hang) => loop {
            thread::sleep(Duration::from_secs(3600));
        },
    }
}

/// A call that is being answered.
pub(crate) struct Call {
    function: &'static str,
    state: MutexGuard<'static, State>,
}

impl Call {
    /// `nvmlInit`: may be called several times, and needs the file.
    pub(crate) fn init(&mut self) -> Result<(), Fault> {
        self.state.read_file()?.failure(self.function, None)?;
        self.state.users += 1;
        Ok(())
    }

    /// `nvmlShutdown`: the last one ends it.
    pub(crate) fn shutdown(&mut self) -> Result<(), Fault> {
        self.topology()?;
        self.state.users -= 1;
        Ok(())
    }

    /// The file as it is now, for a call that is allowed and shall not fail.
    pub(crate) fn topology(&mut self) -> Result<Arc<Topology>, Fault> {
        if self.state.users == 0 {
            return Err(Fault::UNINITIALIZED);
        }
        let topology = self.state.read_file()?;
        topology.failure(self.function, None)?;
        Ok(topology)
    }

    /// The device behind a handle, if calls on it shall not fail.
    pub(crate) fn device<'a>(
        &self,
        topology: &'a Topology,
        handle: nvmlDevice_t,
    ) -> Result<Device<'a>, Fault> {
        let place = handle
            .addr()
            .checked_sub(1)
            .ok_or(Fault::INVALID_ARGUMENT)?;
        let uuid = self
            .state
            .handles
            .get(place)
            .ok_or(Fault::INVALID_ARGUMENT)?;
        let gone = if uuid.starts_with("MIG-") {
            Fault::INVALID_ARGUMENT
        } else {
            Fault::GPU_IS_LOST
        };
        let device = topology.device(uuid).ok_or(gone)?;
        self.usable(topology, &device)?;
        Ok(device)
    }

    /// A handle for a device, if calls on it shall not fail.
    pub(crate) fn handle(
        &mut self,
        topology: &Topology,
        device: &Device,
    ) -> Result<nvmlDevice_t, Fault> {
        self.usable(topology, device)?;
        let handles = &mut self.state.handles;
        let known = handles.iter().position(|uuid| uuid == device.uuid());
        let place = known.unwrap_or_else(|| {
            handles.push(device.uuid().to_owned());
            handles.len() - 1
        });
        Ok(ptr::without_provenance_mut(place + 1))
    }

    fn usable(&self, topology: &Topology, device: &Device) -> Result<(), Fault> {
        if device.gpu.lost {
            return Err(Fault::GPU_IS_LOST);
        }
        topology.failure(self.function, Some(device))
    }
}

impl State {
    /// The file's content, read again if the file changed.
    fn read_file(&mut self) -> Result<Arc<Topology>, Fault> {
        let path = library::directory().ok_or(Fault::UNKNOWN)?.join(FILE);
        let here = fs::metadata(&path).map_err(|error| self.forget(&error))?;
        if let Some(file) = self.file.as_ref().filter(|file| file.stamp == stamp(&here)) {
            return file.content.clone();
        }
        let read = Snapshot::read(&path).map_err(|error| self.forget(&error))?;
        self.file.insert(read).content.clone()
    }

    /// What a file that cannot be read means.
    fn forget(&mut self, error: &io::Error) -> Fault {
        self.file = None;
        match error.kind() {
            io::ErrorKind::NotFound => Fault::DRIVER_NOT_LOADED,
            _ => Fault::UNKNOWN,
        }
    }
}

impl Snapshot {
    fn read(path: &Path) -> io::Result<Self> {
        let mut open = File::open(path)?;
        let stamp = stamp(&open.metadata()?);
        let mut text = String::new();
        open.read_to_string(&mut text)?;
        let content = Topology::parse(&text).map(Arc::new).map_err(|invalid| {
            // Whoever wrote the file must learn what is wrong with it; NVML has no words for that.
            // Where there is no stderr to say it on, UNKNOWN is all there is.
            let _ = writeln!(io::stderr(), "nvml-sim: {}: {invalid}", path.display());
            Fault::UNKNOWN
        });
        Ok(Self {
            stamp,
            _open: open,
            content,
        })
    }
}
