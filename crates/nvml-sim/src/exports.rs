//! The functions of NVML that this library has.
//!
//! What they take and give is in NVIDIA's `nvml.h`; see [`crate::c`] for what is trusted of callers.

use std::{
    ffi::{c_char, c_int, c_uint, c_ulonglong},
    time::{SystemTime, UNIX_EPOCH},
};

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlDeviceAttributes_t, nvmlMemory_v2_t, nvmlPciInfo_t, nvmlProcessInfo_t,
    nvmlProcessUtilizationSample_t, nvmlReturn_t,
    nvmlTemperatureSensors_enum_NVML_TEMPERATURE_GPU as TEMPERATURE_GPU, nvmlTemperatureSensors_t,
    nvmlUtilization_t,
};

use crate::{
    c::{Array, Out, Text, put},
    device::Device,
    fault::{self, Fault},
    state::{self, Call},
    topology::Topology,
};

/// Version 2 of the structure, as `nvml.h` numbers them.
const MEMORY_V2: c_uint = size_of::<nvmlMemory_v2_t>() as c_uint | 2 << 24;

/// Defines each function with its answer, a closure over [`Call`], and lists their names.
macro_rules! exports {
    ($($name:ident($($argument:ident: $type:ty),*) => $answer:expr;)*) => {
        /// The functions that a failure can name.
        pub(crate) const FUNCTIONS: &[&str] = &[$(stringify!($name)),*];

        $(
            // SAFETY: no other library of the process has a function of this name that takes or
            // gives something else: it is NVML's, with NVML's signature.
            #[unsafe(no_mangle)]
            extern "C" fn $name($($argument: $type),*) -> nvmlReturn_t {
                state::call(stringify!($name), $answer)
            }
        )*
    };
}

exports! {
    nvmlInit_v2() => Call::init;
    nvmlInitWithFlags(_flags: c_uint) => Call::init;
    nvmlShutdown() => Call::shutdown;

    nvmlSystemGetDriverVersion(version: Array<c_char>, length: c_uint) =>
        |call| version.put_text(length, &call.topology()?.driver_version);
    nvmlSystemGetNVMLVersion(version: Array<c_char>, length: c_uint) => |call| {
        let topology = call.topology()?;
        let text = format!("{}.{}", topology.cuda_version.major, topology.driver_version);
        version.put_text(length, &text)
    };
    nvmlSystemGetCudaDriverVersion_v2(version: Out<'_, c_int>) => |call| {
        let cuda = call.topology()?.cuda_version;
        put(version, c_int::from(cuda.major) * 1000 + c_int::from(cuda.minor) * 10)
    };

    nvmlDeviceGetCount_v2(count: Out<'_, c_uint>) =>
        |call| put(count, call.topology()?.gpus.len() as c_uint);
    nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: Out<'_, nvmlDevice_t>) => find(device, |topology| {
        topology.gpu(index as usize).ok_or(Fault::INVALID_ARGUMENT)
    });
    nvmlDeviceGetHandleByUUID(uuid: Text, device: Out<'_, nvmlDevice_t>) => find(device, |topology| {
        let uuid = uuid.read().ok_or(Fault::INVALID_ARGUMENT)?;
        topology.device(uuid).ok_or(Fault::NOT_FOUND)
    });

    nvmlDeviceGetName(device: nvmlDevice_t, name: Array<c_char>, length: c_uint) =>
        of(device, |device| name.put_text(length, &device.name()));
    nvmlDeviceGetUUID(device: nvmlDevice_t, uuid: Array<c_char>, length: c_uint) =>
        of(device, |device| uuid.put_text(length, device.uuid()));
    nvmlDeviceGetIndex(device: nvmlDevice_t, index: Out<'_, c_uint>) =>
        of(device, |device| put(index, device.own_index()));
    nvmlDeviceGetMinorNumber(device: nvmlDevice_t, number: Out<'_, c_uint>) =>
        of(device, |device| put(number, device.whole()?.minor_number));
    nvmlDeviceGetPciInfo_v3(device: nvmlDevice_t, info: Out<'_, nvmlPciInfo_t>) =>
        of(device, |device| put(info, device.pci_info()?));
    nvmlDeviceGetMemoryInfo_v2(device: nvmlDevice_t, info: Option<&mut nvmlMemory_v2_t>) =>
        of(device, |device| memory(device, info));
    nvmlDeviceGetUtilizationRates(device: nvmlDevice_t, rates: Out<'_, nvmlUtilization_t>) =>
        of(device, |device| put(rates, device.utilization()?));
    nvmlDeviceGetTemperature(device: nvmlDevice_t, sensor: nvmlTemperatureSensors_t, celsius: Out<'_, c_uint>) =>
        of(device, |device| match sensor {
            TEMPERATURE_GPU => put(celsius, device.whole()?.temperature_celsius),
            _ => Err(Fault::INVALID_ARGUMENT),
        });
    nvmlDeviceGetCudaComputeCapability(device: nvmlDevice_t, major: Out<'_, c_int>, minor: Out<'_, c_int>) =>
        of(device, |device| {
            let capability = device.gpu.compute_capability.ok_or(Fault::NOT_SUPPORTED)?;
            put(major, capability.major.into()).and(put(minor, capability.minor.into()))
        });
    nvmlDeviceGetPowerUsage(device: nvmlDevice_t, milliwatts: Out<'_, c_uint>) =>
        of(device, |device| put(milliwatts, device.whole()?.power_milliwatts));
    nvmlDeviceGetComputeRunningProcesses_v3(
        device: nvmlDevice_t, count: Option<&mut c_uint>, infos: Array<nvmlProcessInfo_t>
    ) => of(device, |device| infos.put_all(count, &device.processes()));
    nvmlDeviceGetProcessUtilization(
        device: nvmlDevice_t, samples: Array<nvmlProcessUtilizationSample_t>, count: Option<&mut c_uint>,
        _last_seen_timestamp: c_ulonglong
    ) => of(device, |device| samples.put_all(count, &device.process_utilization(microseconds())?));

    nvmlDeviceGetMigMode(device: nvmlDevice_t, current: Out<'_, c_uint>, pending: Out<'_, c_uint>) =>
        of(device, |device| {
            let mode = device.mig_mode()?;
            put(current, mode).and(put(pending, mode))
        });
    nvmlDeviceGetMaxMigDeviceCount(device: nvmlDevice_t, count: Out<'_, c_uint>) =>
        of(device, |device| put(count, device.max_mig_devices()));
    nvmlDeviceGetMigDeviceHandleByIndex(device: nvmlDevice_t, index: c_uint, mig: Out<'_, nvmlDevice_t>) =>
        related(device, mig, |device| device.child(index));
    nvmlDeviceGetDeviceHandleFromMigDeviceHandle(mig: nvmlDevice_t, device: Out<'_, nvmlDevice_t>) =>
        related(mig, device, |mig| mig.parent());
    nvmlDeviceIsMigDeviceHandle(device: nvmlDevice_t, is_mig: Out<'_, c_uint>) =>
        of(device, |device| put(is_mig, device.mig.is_some().into()));
    nvmlDeviceGetGpuInstanceId(device: nvmlDevice_t, id: Out<'_, c_uint>) =>
        of(device, |device| put(id, device.instance()?.gpu_instance));
    nvmlDeviceGetComputeInstanceId(device: nvmlDevice_t, id: Out<'_, c_uint>) =>
        of(device, |device| put(id, device.instance()?.compute_instance));
    nvmlDeviceGetAttributes_v2(device: nvmlDevice_t, attributes: Out<'_, nvmlDeviceAttributes_t>) =>
        of(device, |device| put(attributes, device.attributes()?));
}

/// A text for a result; it works before `nvmlInit` too, and never fails.
// SAFETY: as above, NVML's name with NVML's signature.
#[unsafe(no_mangle)]
extern "C" fn nvmlErrorString(result: nvmlReturn_t) -> *const c_char {
    fault::describe(result).as_ptr()
}

/// Answers about the device behind `handle`.
fn of(
    handle: nvmlDevice_t,
    answer: impl FnOnce(Device) -> Result<(), Fault>,
) -> impl FnOnce(&mut Call) -> Result<(), Fault> {
    move |call| {
        let topology = call.topology()?;
        answer(call.device(&topology, handle)?)
    }
}

/// Gives a handle for the device that `find` finds.
fn find(
    out: Out<'_, nvmlDevice_t>,
    find: impl FnOnce(&Topology) -> Result<Device<'_>, Fault>,
) -> impl FnOnce(&mut Call) -> Result<(), Fault> {
    move |call| {
        let topology = call.topology()?;
        let found = find(&topology)?;
        put(out, call.handle(&topology, &found)?)
    }
}

/// Gives a handle for a device that `find` finds from the one behind `handle`.
fn related(
    handle: nvmlDevice_t,
    out: Out<'_, nvmlDevice_t>,
    find: impl for<'a> FnOnce(Device<'a>) -> Result<Device<'a>, Fault>,
) -> impl FnOnce(&mut Call) -> Result<(), Fault> {
    move |call| {
        let topology = call.topology()?;
        let found = find(call.device(&topology, handle)?)?;
        put(out, call.handle(&topology, &found)?)
    }
}

/// Fills in the structure, whose version the caller has set.
fn memory(device: Device, info: Option<&mut nvmlMemory_v2_t>) -> Result<(), Fault> {
    let info = info.ok_or(Fault::INVALID_ARGUMENT)?;
    if info.version != MEMORY_V2 {
        return Err(Fault::VERSION_MISMATCH);
    }
    let memory = device.memory();
    info.total = memory.total_bytes;
    info.reserved = 0;
    info.used = memory.used_bytes;
    info.free = memory.total_bytes.saturating_sub(memory.used_bytes);
    Ok(())
}

/// The time since 1970.
fn microseconds() -> c_ulonglong {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as c_ulonglong)
}
