//! What the built library answers, loaded by nvml-wrapper as it loads NVIDIA's.

use std::{
    ffi::{CStr, c_char, c_uint},
    ptr,
};

use crate::driver::{Driver, error, shipped};
use nvml_wrapper::{
    Device, Nvml, enum_wrappers::device::TemperatureSensor, enums::device::UsedGpuMemory,
};
use nvml_wrapper_sys::bindings::{nvmlMemory_v2_t, nvmlProcessInfo_t, nvmlReturn_t};
use serde_json::{Value, json};

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Compares every answer about a GPU and its MIG devices with the file.
fn assert_answers(nvml: &Nvml, index: usize, gpu: &Value) {
    let device = nvml.device_by_index(index as u32).unwrap();
    let number = |key: &str| gpu[key].as_u64().unwrap_or(0) as u32;
    let mig_mode = gpu["mig_enabled"] == true;
    assert_eq!(device.uuid().unwrap(), gpu["uuid"]);
    assert_eq!(
        nvml.device_by_uuid(text(&gpu["uuid"]))
            .unwrap()
            .index()
            .unwrap(),
        index as u32
    );
    assert_eq!(device.name().unwrap(), gpu["name"]);
    assert_eq!(device.index().unwrap(), index as u32);
    assert_eq!(device.minor_number().unwrap(), number("minor_number"));
    assert_eq!(device.pci_info().unwrap().bus_id, gpu["pci_bus_id"]);
    assert_memory(&device, &gpu["memory"]);
    assert_eq!(
        device.temperature(TemperatureSensor::Gpu).unwrap(),
        number("temperature_celsius")
    );
    assert_eq!(device.power_usage().unwrap(), number("power_milliwatts"));
    assert_eq!(device.running_compute_processes().unwrap(), []);
    assert!(!device.mig_is_mig_device_handle().unwrap());
    assert_eq!(error(device.attributes()), "NotSupported");
    assert_eq!(error(device.mig_parent_device()), "NotSupported");
    assert_eq!(instance_ids(nvml, &device), [Err(3), Err(3)]);
    if mig_mode {
        assert_eq!(error(device.utilization_rates()), "NotSupported");
        assert_eq!(
            error(device.process_utilization_stats(None)),
            "NotSupported"
        );
    } else {
        let rates = device.utilization_rates().unwrap();
        assert_eq!(
            json!({"gpu_percent": rates.gpu, "memory_percent": rates.memory}),
            gpu["utilization"]
        );
        assert_eq!(error(device.process_utilization_stats(None)), "NotFound");
    }
    if number("max_mig_devices") == 0 {
        assert_eq!(error(device.mig_mode()), "NotSupported");
        assert_eq!(error(device.mig_device_by_index(0)), "NotSupported");
    } else {
        let mode = device.mig_mode().unwrap();
        assert_eq!([mode.current, mode.pending], [u32::from(mig_mode); 2]);
        let most = if mig_mode {
            number("max_mig_devices")
        } else {
            0
        };
        assert_eq!(device.mig_device_count().unwrap(), most);
        let mig = gpu["mig"].as_array().map_or(&[][..], Vec::as_slice);
        for (index, mig) in mig.iter().enumerate() {
            assert_mig_answers(nvml, &device, index as u32, mig);
        }
        assert_eq!(
            error(device.mig_device_by_index(mig.len() as u32)),
            "NotFound"
        );
    }
}

fn assert_mig_answers(nvml: &Nvml, parent: &Device, index: u32, mig: &Value) {
    let device = parent.mig_device_by_index(index).unwrap();
    assert_eq!(device.uuid().unwrap(), mig["uuid"]);
    assert_eq!(
        nvml.device_by_uuid(text(&mig["uuid"]))
            .unwrap()
            .index()
            .unwrap(),
        index
    );
    let name = format!("{} MIG {}", parent.name().unwrap(), text(&mig["profile"]));
    assert_eq!(device.name().unwrap(), name);
    assert!(device.mig_is_mig_device_handle().unwrap());
    assert_eq!(
        device.mig_parent_device().unwrap().uuid().unwrap(),
        parent.uuid().unwrap()
    );
    assert_memory(&device, &mig["memory"]);
    let attributes = device.attributes().unwrap();
    assert_eq!(attributes.compute_instance_slice_count, mig["slices"]);
    assert_eq!(attributes.gpu_instance_slice_count, mig["slices"]);
    assert_eq!(
        attributes.memory_size_mb,
        mig["memory"]["total_bytes"].as_u64().unwrap() / 1_048_576
    );
    let ids = ["gpu_instance", "compute_instance"].map(|key| Ok(mig[key].as_u64().unwrap() as u32));
    assert_eq!(instance_ids(nvml, &device), ids);
    assert_eq!(device.running_compute_processes().unwrap(), []);
    let refused = [
        error(device.utilization_rates()),
        error(device.process_utilization_stats(None)),
        error(device.minor_number()),
        error(device.pci_info()),
        error(device.temperature(TemperatureSensor::Gpu)),
        error(device.power_usage()),
        error(device.mig_mode()),
        error(device.mig_device_by_index(0)),
    ];
    assert_eq!(refused, ["NotSupported"; 8]);
}

fn assert_memory(device: &Device, memory: &Value) {
    let told = device.memory_info().unwrap();
    assert_eq!(
        json!({"total_bytes": told.total, "used_bytes": told.used}),
        *memory
    );
    assert_eq!(told.free, told.total - told.used);
}

/// GPU instance and compute instance, or the error numbers.
fn instance_ids(nvml: &Nvml, device: &Device) -> [Result<c_uint, nvmlReturn_t>; 2] {
    let mut id = [0; 2];
    // SAFETY: the handle belongs to this library, and each call writes one id.
    let results = unsafe {
        [
            nvml.lib()
                .nvmlDeviceGetGpuInstanceId(device.handle(), &mut id[0]),
            nvml.lib()
                .nvmlDeviceGetComputeInstanceId(device.handle(), &mut id[1]),
        ]
    };
    [0, 1].map(|which: usize| {
        if results[which] == 0 {
            Ok(id[which])
        } else {
            Err(results[which])
        }
    })
}

#[test]
fn each_shipped_topology_is_answered_whole() {
    for (name, gpus, mig) in [
        ("none.json", 0, &[][..]),
        ("one.json", 1, &[0]),
        ("a100-mig.json", 4, &[0, 4, 4, 4]),
        ("h100.json", 8, &[0; 8]),
        ("a30-mig.json", 1, &[4]),
    ] {
        let driver = Driver::new(&format!("answers-{name}"), name);
        let file = shipped(name);
        let nvml = driver.load().unwrap();
        assert_eq!(
            nvml.sys_driver_version().unwrap(),
            file["driver_version"],
            "{name}"
        );
        assert_eq!(
            nvml.sys_nvml_version().unwrap(),
            format!("12.{}", text(&file["driver_version"]))
        );
        assert_eq!(nvml.sys_cuda_driver_version().unwrap(), 12040);
        assert_eq!(nvml.device_count().unwrap(), gpus, "{name}");
        let listed = file["gpus"].as_array().unwrap();
        let instances = listed
            .iter()
            .map(|gpu| gpu["mig"].as_array().map_or(0, Vec::len));
        assert_eq!(instances.collect::<Vec<_>>(), mig, "{name}");
        for (index, gpu) in listed.iter().enumerate() {
            assert_answers(&nvml, index, gpu);
        }
        assert_eq!(error(nvml.device_by_index(gpus)), "InvalidArg");
        assert_eq!(error(nvml.device_by_uuid("GPU-0")), "NotFound");
    }
}

#[test]
fn mig_layouts_that_are_shipped_fit_their_gpus() {
    for name in ["a100-mig.json", "a30-mig.json"] {
        for gpu in shipped(name)["gpus"].as_array().unwrap() {
            let mig = gpu["mig"].as_array().map_or(&[][..], Vec::as_slice);
            let sum = |field: &dyn Fn(&Value) -> u64| mig.iter().map(field).sum::<u64>();
            assert!(
                sum(&|mig| mig["slices"].as_u64().unwrap())
                    <= gpu["max_mig_devices"].as_u64().unwrap()
            );
            let memory = sum(&|mig| mig["memory"]["total_bytes"].as_u64().unwrap());
            assert!(memory <= gpu["memory"]["total_bytes"].as_u64().unwrap());
            for mig in mig {
                assert!(text(&mig["profile"]).starts_with(&format!("{}g.", mig["slices"])));
            }
        }
    }
}

#[test]
fn processes_are_told_with_their_instance_and_memory() {
    let driver = Driver::new("processes", "example.json");
    let nvml = driver.load().unwrap();
    let told = |device: &Device| -> Vec<_> {
        let known = |memory| match memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        };
        let processes = device.running_compute_processes().unwrap().into_iter();
        processes
            .map(|p| (p.pid, known(p.used_gpu_memory), p.gpu_instance_id))
            .collect()
    };
    let [whole, parent] = [0, 1].map(|index| nvml.device_by_index(index).unwrap());
    assert_eq!(
        told(&whole),
        [(4242, Some(2 << 30), None), (4243, None, None)]
    );
    let on_instance = [(5151, Some(1 << 30), Some(3))];
    assert_eq!(told(&parent), on_instance);
    assert_eq!(told(&parent.mig_device_by_index(0).unwrap()), on_instance);
    assert_eq!(told(&parent.mig_device_by_index(1).unwrap()), []);
    let samples = whole.process_utilization_stats(None).unwrap();
    assert_eq!(
        samples
            .iter()
            .map(|s| (s.pid, s.sm_util))
            .collect::<Vec<_>>(),
        [(4242, 85), (4243, 0)]
    );
}

#[test]
fn room_that_is_too_small_is_told_with_the_count() {
    let driver = Driver::new("room", "example.json");
    let nvml = driver.load().unwrap();
    let device = nvml.device_by_index(0).unwrap();
    assert_eq!(device.running_compute_processes_count().unwrap(), 2);
    // SAFETY: the handle belongs to this library, and each length is that of the buffer beside it.
    unsafe {
        let (lib, handle) = (nvml.lib(), device.handle());
        let mut infos: [nvmlProcessInfo_t; 2] = std::mem::zeroed();
        let mut ask = |mut count: c_uint| {
            let result =
                lib.nvmlDeviceGetComputeRunningProcesses_v3(handle, &mut count, infos.as_mut_ptr());
            (result, count)
        };
        assert_eq!([ask(0), ask(1), ask(2)], [(7, 2), (7, 2), (0, 2)]);
        let uuid_in = |length: usize| {
            let mut room = [0x7f as c_char; 64];
            (
                lib.nvmlDeviceGetUUID(handle, room.as_mut_ptr(), length as c_uint),
                room[length],
            )
        };
        assert_eq!([uuid_in(40), uuid_in(41)], [(7, 0x7f), (0, 0x7f)]);
    }
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let driver = Driver::new("arguments", "example.json");
    let nvml = driver.load().unwrap();
    let device = nvml.device_by_index(1).unwrap();
    let (lib, invalid, version_mismatch) = (nvml.lib(), 2, 25);
    // SAFETY: null pointers and handles of nowhere are refused before they are followed.
    unsafe {
        let handle = device.handle();
        let mut count = 9;
        assert_eq!(lib.nvmlDeviceGetCount_v2(ptr::null_mut()), invalid);
        assert_eq!(
            lib.nvmlDeviceGetHandleByIndex_v2(0, ptr::null_mut()),
            invalid
        );
        assert_eq!(
            lib.nvmlDeviceGetHandleByUUID(ptr::null(), ptr::null_mut()),
            invalid
        );
        assert_eq!(lib.nvmlDeviceGetUUID(handle, ptr::null_mut(), 96), invalid);
        assert_eq!(
            lib.nvmlDeviceGetMigMode(handle, &mut count, ptr::null_mut()),
            invalid
        );
        assert_eq!(
            lib.nvmlDeviceGetMemoryInfo_v2(handle, ptr::null_mut()),
            invalid
        );
        assert_eq!(lib.nvmlDeviceGetTemperature(handle, 1, &mut count), invalid);
        let list =
            lib.nvmlDeviceGetComputeRunningProcesses_v3(handle, ptr::null_mut(), ptr::null_mut());
        assert_eq!(list, invalid);
        count = 9;
        let list = lib.nvmlDeviceGetComputeRunningProcesses_v3(handle, &mut count, ptr::null_mut());
        assert_eq!((list, count), (invalid, 1));
        for nowhere in [ptr::null_mut(), ptr::without_provenance_mut(77)] {
            assert_eq!(lib.nvmlDeviceGetIndex(nowhere, &mut count), invalid);
        }
        let mut unversioned: nvmlMemory_v2_t = std::mem::zeroed();
        assert_eq!(
            lib.nvmlDeviceGetMemoryInfo_v2(handle, &mut unversioned),
            version_mismatch
        );
        let said = CStr::from_ptr(lib.nvmlErrorString(15));
        assert_eq!(said, c"GPU is lost");
    }
}

#[test]
fn nothing_is_answered_before_init_and_after_the_last_shutdown() {
    let driver = Driver::new("shutdown", "one.json");
    let nvml = driver.load().unwrap();
    let lib = nvml.lib();
    let mut count = 0;
    // SAFETY: `count` lives; shutting down leaves the library loaded.
    unsafe {
        assert_eq!(lib.nvmlInitWithFlags(0), 0);
        assert_eq!(lib.nvmlShutdown(), 0);
        assert_eq!(lib.nvmlDeviceGetCount_v2(&mut count), 0);
        assert_eq!(lib.nvmlShutdown(), 0);
        assert_eq!(lib.nvmlDeviceGetCount_v2(&mut count), 1);
        assert_eq!(lib.nvmlShutdown(), 1);
        assert_eq!(lib.nvmlInit_v2(), 0);
        assert_eq!(lib.nvmlDeviceGetCount_v2(&mut count), 0);
    }
}
