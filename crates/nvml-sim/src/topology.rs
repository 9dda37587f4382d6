//! The file `nvml-sim.json`: which GPUs there are, and which calls fail.

use std::{collections::HashSet, fs, io, path::Path};

use serde::Deserialize;

use crate::{device::Device, exports, fault::Fault};

/// The name of the file, beside the library and beside the hook.
pub const FILE: &str = "nvml-sim.json";

/// Everything that the simulated driver knows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Such as `550.54.15`.
    pub driver_version: String,
    /// The newest CUDA that the driver supports.
    pub cuda_version: CudaVersion,
    /// The GPUs in the order of their indices.
    pub gpus: Vec<Gpu>,
    /// Calls that fail.
    #[serde(default)]
    pub failures: Vec<Failure>,
}

/// A whole GPU.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// Begins with `GPU-`.
    pub uuid: String,
    /// The product.
    pub name: String,
    /// The `0` of `/dev/nvidia0`.
    pub minor_number: u32,
    /// Where it is on the PCI bus.
    pub pci_bus_id: PciBusId,
    /// Its memory.
    pub memory: Memory,
    /// How busy it was of late.
    pub utilization: Utilization,
    /// Temperature of the chip.
    pub temperature_celsius: u32,
    /// Power drawn.
    pub power_milliwatts: u32,
    /// Its compute capability; `None` if the driver cannot tell.
    #[serde(default)]
    pub compute_capability: Option<CudaVersion>,
    /// The most MIG devices it can have; 0 if it knows no MIG.
    #[serde(default)]
    pub max_mig_devices: u32,
    /// Whether it is in MIG mode.
    #[serde(default)]
    pub mig_enabled: bool,
    /// Its MIG devices in the order of their indices.
    #[serde(default)]
    pub mig: Vec<Mig>,
    /// Processes on the whole GPU.
    #[serde(default)]
    pub processes: Vec<Process>,
    /// Whether it fell off the bus.
    #[serde(default)]
    pub lost: bool,
}

/// A MIG device.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mig {
    /// Begins with `MIG-`.
    pub uuid: String,
    /// Such as `1g.10gb`.
    pub profile: String,
    /// The id of its GPU instance.
    pub gpu_instance: u32,
    /// The id of its compute instance.
    pub compute_instance: u32,
    /// Its compute slices, the `1` of `1g.10gb`.
    pub slices: u32,
    /// Its memory.
    pub memory: Memory,
    /// Processes on it.
    #[serde(default)]
    pub processes: Vec<Process>,
}

/// Memory of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// All of it.
    pub total_bytes: u64,
    /// In use.
    pub used_bytes: u64,
}

/// How busy a GPU was over the driver's last sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Utilization {
    /// Part of the time in which a kernel ran.
    pub gpu_percent: u32,
    /// Part of the time in which memory was read or written.
    pub memory_percent: u32,
}

/// A process on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Its id on the host.
    pub pid: u32,
    /// Device memory that it holds; `None` if the driver cannot tell.
    pub memory_bytes: Option<u64>,
    /// Part of the time in which its kernels ran.
    #[serde(default)]
    pub sm_percent: u32,
}

/// A call that fails.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The function as NVML names it.
    pub function: String,
    /// The UUID of the only device it fails for.
    pub device: Option<String>,
    /// What comes of it.
    pub result: Fault,
}

/// A version of CUDA, or a compute capability, written `12.4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct CudaVersion {
    /// The `12` of `12.4`.
    pub major: u16,
    /// The `4` of `12.4`.
    pub minor: u16,
}

impl TryFrom<String> for CudaVersion {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let parse = |(major, minor): (&str, &str)| {
            Some(Self {
                major: major.parse().ok()?,
                minor: minor.parse().ok()?,
            })
        };
        text.split_once('.')
            .and_then(parse)
            .ok_or(Invalid::Cuda(text))
    }
}

/// An address on the PCI bus, written `00000000:07:00.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PciBusId {
    /// The first part.
    pub domain: u32,
    /// The second part.
    pub bus: u8,
    /// The third part. The function, after the dot, is always 0.
    pub device: u8,
}

impl TryFrom<String> for PciBusId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let parse = |text: &str| {
            let mut parts = text.strip_suffix(".0")?.split(':');
            let domain = u32::from_str_radix(parts.next()?, 16).ok()?;
            let bus = u8::from_str_radix(parts.next()?, 16).ok()?;
            let device = u8::from_str_radix(parts.next()?, 16).ok()?;
            parts.next().is_none().then_some(Self {
                domain,
                bus,
                device,
            })
        };
        parse(&text).ok_or(Invalid::PciBusId(text))
    }
}

/// Why a text is no [`Topology`].
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// Not JSON, or a key that is missing, unknown or of the wrong type.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Not a version of CUDA.
    #[error("{0:?} is not a CUDA version such as \"12.4\"")]
    Cuda(String),
    /// Not an address on the PCI bus.
    #[error("{0:?} is not a PCI bus id such as \"00000000:07:00.0\"")]
    PciBusId(String),
    /// A UUID with the wrong beginning.
    #[error("the uuid {uuid:?} does not begin with {prefix:?}")]
    Prefix {
        /// The UUID.
        uuid: String,
        /// What it should begin with.
        prefix: &'static str,
    },
    /// Two devices with one UUID.
    #[error("the uuid {0:?} appears twice")]
    Repeated(String),
    /// A failure that could never happen.
    #[error("a failure names the function {0:?}, which is not simulated")]
    Function(String),
    /// A failure of a device that does not exist.
    #[error("a failure names the device {0:?}, which is not listed")]
    Device(String),
    /// A failure for one device of a function that is not asked of a device.
    #[error("a failure names a device for {0:?}, which is not asked of one")]
    NoDevice(String),
}

impl Topology {
    /// Reads the file in `directory`.
    ///
    /// # Errors
    ///
    /// Those of reading; [`io::ErrorKind::InvalidData`] with an [`Invalid`] if it is not as it should be.
    pub fn read(directory: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(directory.join(FILE))?;
        Self::parse(&text).map_err(|invalid| io::Error::new(io::ErrorKind::InvalidData, invalid))
    }

    /// Reads the content of the file.
    ///
    /// # Errors
    ///
    /// [`Invalid`] says what is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let topology: Self = serde_json::from_str(text)?;
        topology.check()?;
        Ok(topology)
    }

    /// Refuses what would go unnoticed: devices that cannot be told apart, failures that never happen.
    ///
    /// Sizes, slices and numbers may be nonsense: hardware that answers nonsense is simulated by it.
    fn check(&self) -> Result<(), Invalid> {
        let gpus = self.gpus.iter().map(|gpu| (&gpu.uuid, "GPU-"));
        let mig = self
            .gpus
            .iter()
            .flat_map(|gpu| &gpu.mig)
            .map(|mig| (&mig.uuid, "MIG-"));
        let mut uuids = HashSet::new();
        for (uuid, prefix) in gpus.chain(mig) {
            if !uuid.starts_with(prefix) {
                return Err(Invalid::Prefix {
                    uuid: uuid.clone(),
                    prefix,
                });
            }
            if !uuids.insert(uuid) {
                return Err(Invalid::Repeated(uuid.clone()));
            }
        }
        for Failure {
            function, device, ..
        } in &self.failures
        {
            if !exports::FUNCTIONS.contains(&function.as_str()) {
                return Err(Invalid::Function(function.clone()));
            }
            let Some(device) = device else { continue };
            if !uuids.contains(device) {
                return Err(Invalid::Device(device.clone()));
            }
            if !function.starts_with("nvmlDevice") || function == "nvmlDeviceGetCount_v2" {
                return Err(Invalid::NoDevice(function.clone()));
            }
        }
        Ok(())
    }

    /// The GPU of this index.
    pub(crate) fn gpu(&self, index: usize) -> Option<Device<'_>> {
        self.gpus.get(index).map(|gpu| Device {
            index,
            gpu,
            mig: None,
        })
    }

    /// The GPU or MIG device of this UUID.
    pub(crate) fn device(&self, uuid: &str) -> Option<Device<'_>> {
        let gpus = || (0..self.gpus.len()).filter_map(|index| self.gpu(index));
        gpus()
            .chain(gpus().flat_map(Device::instances))
            .find(|device| device.uuid() == uuid)
    }

    /// The error that a call of `function` shall give, if one is asked for: with `None`, one for
    /// every device.
    pub(crate) fn failure(&self, function: &str, device: Option<&Device>) -> Result<(), Fault> {
        let meant = |failure: &&Failure| match (&failure.device, device) {
            (Some(uuid), Some(device)) => device.uuid() == uuid || device.gpu.uuid == *uuid,
            (None, None) => true,
            _ => false,
        };
        let mut of_function = self
            .failures
            .iter()
            .filter(|failure| failure.function == function);
        of_function
            .find(meant)
            .map_or(Ok(()), |failure| Err(failure.result))
    }
}

#[cfg(test)]
mod tests;
