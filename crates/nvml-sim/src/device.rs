//! What NVML answers about one device.

use std::ffi::c_char;

use nvml_wrapper_sys::bindings as nvml;

use crate::{
    fault::Fault,
    topology::{Gpu, Memory, Mig, Process},
};

/// Multiprocessors of one compute slice, as on A100.
const MULTIPROCESSORS: u32 = 14;
/// Instance ids of a process that is not on a MIG device, and the memory of one that cannot be told.
const NO_INSTANCE: u32 = u32::MAX;
const NO_MEMORY: u64 = u64::MAX;

/// A whole GPU, or one of its MIG devices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Device<'a> {
    /// Index of the GPU.
    pub(crate) index: usize,
    /// The GPU.
    pub(crate) gpu: &'a Gpu,
    /// The MIG device and its index on the GPU.
    pub(crate) mig: Option<(usize, &'a Mig)>,
}

impl<'a> Device<'a> {
    pub(crate) fn uuid(&self) -> &'a str {
        self.mig.map_or(&self.gpu.uuid, |(_, mig)| &mig.uuid)
    }

    /// The GPU's own name, and that of a MIG device after it.
    pub(crate) fn name(&self) -> String {
        match self.mig {
            Some((_, mig)) => format!("{} MIG {}", self.gpu.name, mig.profile),
            None => self.gpu.name.clone(),
        }
    }

    /// Among the GPUs, or among the MIG devices of its GPU.
    pub(crate) fn own_index(&self) -> u32 {
        self.mig.map_or(self.index, |(index, _)| index) as u32
    }

    /// The GPU itself, for what is never answered about a MIG device.
    pub(crate) fn whole(&self) -> Result<&'a Gpu, Fault> {
        match self.mig {
            Some(_) => Err(Fault::NOT_SUPPORTED),
            None => Ok(self.gpu),
        }
    }

    /// The MIG device itself, for what is answered about MIG devices only.
    pub(crate) fn instance(&self) -> Result<&'a Mig, Fault> {
        self.mig.map(|(_, mig)| mig).ok_or(Fault::NOT_SUPPORTED)
    }

    /// The MIG devices of a GPU in MIG mode.
    pub(crate) fn instances(self) -> impl Iterator<Item = Self> {
        let of_gpu = self.mig.is_none() && self.gpu.mig_enabled;
        let mig = if of_gpu { self.gpu.mig.as_slice() } else { &[] };
        mig.iter().enumerate().map(move |mig| Self {
            mig: Some(mig),
            ..self
        })
    }

    /// The MIG device of this index.
    pub(crate) fn child(&self, index: u32) -> Result<Self, Fault> {
        if self.whole()?.max_mig_devices == 0 {
            return Err(Fault::NOT_SUPPORTED);
        }
        self.instances().nth(index as usize).ok_or(Fault::NOT_FOUND)
    }

    /// The GPU that a MIG device is on.
    pub(crate) fn parent(&self) -> Result<Self, Fault> {
        self.instance().map(|_| Self { mig: None, ..*self })
    }

    /// Whether the GPU is in MIG mode.
    pub(crate) fn mig_mode(&self) -> Result<u32, Fault> {
        let gpu = self.whole()?;
        if gpu.max_mig_devices == 0 {
            Err(Fault::NOT_SUPPORTED)
        } else {
            Ok(gpu.mig_enabled.into())
        }
    }

    /// 0 outside MIG mode, as `nvml.h` has it.
    pub(crate) fn max_mig_devices(&self) -> u32 {
        match self.whole() {
            Ok(gpu) if gpu.mig_enabled => gpu.max_mig_devices,
            _ => 0,
        }
    }

    pub(crate) fn pci_info(&self) -> Result<nvml::nvmlPciInfo_t, Fault> {
        let id = self.whole()?.pci_bus_id;
        Ok(nvml::nvmlPciInfo_t {
            busIdLegacy: padded(&format!(
                "{:04X}:{:02X}:{:02X}.0",
                id.domain, id.bus, id.device
            )),
            domain: id.domain,
            bus: id.bus.into(),
            device: id.device.into(),
            pciDeviceId: 0,
            pciSubSystemId: 0,
            busId: padded(&format!(
                "{:08X}:{:02X}:{:02X}.0",
                id.domain, id.bus, id.device
            )),
        })
    }

    pub(crate) fn memory(&self) -> Memory {
        self.mig.map_or(self.gpu.memory, |(_, mig)| mig.memory)
    }

    pub(crate) fn utilization(&self) -> Result<nvml::nvmlUtilization_t, Fault> {
        let gpu = self.outside_mig()?;
        Ok(nvml::nvmlUtilization_t {
            gpu: gpu.utilization.gpu_percent,
            memory: gpu.utilization.memory_percent,
        })
    }

    /// The processes of a MIG device, or all of a GPU with the instances that they are on.
    pub(crate) fn processes(&self) -> Vec<nvml::nvmlProcessInfo_t> {
        let own = |device: &Self| -> Vec<_> {
            let (processes, gpu_instance, compute_instance) = match device.mig {
                Some((_, mig)) => (&mig.processes, mig.gpu_instance, mig.compute_instance),
                None => (&device.gpu.processes, NO_INSTANCE, NO_INSTANCE),
            };
            let info = |process: &Process| nvml::nvmlProcessInfo_t {
                pid: process.pid,
                usedGpuMemory: process.memory_bytes.unwrap_or(NO_MEMORY),
                gpuInstanceId: gpu_instance,
                computeInstanceId: compute_instance,
            };
            processes.iter().map(info).collect()
        };
        let mut all = own(self);
        all.extend(self.instances().flat_map(|instance| own(&instance)));
        all
    }

    /// How busy each process kept the GPU, as sampled at `now`, in microseconds since 1970.
    pub(crate) fn process_utilization(
        &self,
        now: u64,
    ) -> Result<Vec<nvml::nvmlProcessUtilizationSample_t>, Fault> {
        let sample = |process: &Process| nvml::nvmlProcessUtilizationSample_t {
            pid: process.pid,
            timeStamp: now,
            smUtil: process.sm_percent,
            memUtil: 0,
            encUtil: 0,
            decUtil: 0,
        };
        let samples: Vec<_> = self.outside_mig()?.processes.iter().map(sample).collect();
        if samples.is_empty() {
            Err(Fault::NOT_FOUND)
        } else {
            Ok(samples)
        }
    }

    pub(crate) fn attributes(&self) -> Result<nvml::nvmlDeviceAttributes_t, Fault> {
        let mig = self.instance()?;
        Ok(nvml::nvmlDeviceAttributes_t {
            multiprocessorCount: mig.slices.saturating_mul(MULTIPROCESSORS),
            sharedCopyEngineCount: mig.slices,
            sharedDecoderCount: 0,
            sharedEncoderCount: 0,
            sharedJpegCount: 0,
            sharedOfaCount: 0,
            gpuInstanceSliceCount: mig.slices,
            computeInstanceSliceCount: mig.slices,
            memorySizeMB: mig.memory.total_bytes >> 20,
        })
    }

    /// The GPU, for what is answered neither in MIG mode nor of a MIG device.
    fn outside_mig(&self) -> Result<&'a Gpu, Fault> {
        self.whole().and_then(|gpu| {
            if gpu.mig_enabled {
                Err(Fault::NOT_SUPPORTED)
            } else {
                Ok(gpu)
            }
        })
    }
}

/// A text in a field of fixed size, cut if it is longer, with a NUL at its end.
fn padded<const SIZE: usize>(text: &str) -> [c_char; SIZE] {
    let mut field = [0; SIZE];
    for (place, byte) in field.iter_mut().take(SIZE - 1).zip(text.bytes()) {
        *place = byte as c_char;
    }
    field
}
