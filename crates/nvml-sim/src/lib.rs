//! A stand-in for NVIDIA's driver: `libnvidia-ml.so.1` and the hook that gives GPUs to containers.
//!
//! Neither has a switch or an environment variable. Both answer from the file
//! `nvml-sim.json` in their own directory:
//!
//! ```text
//! dir/libnvidia-ml.so.1              a copy of libnvml_sim.so, loaded as NVIDIA's is
//! dir/nvidia-container-runtime-hook  a copy of the binary, on the engine's PATH
//! dir/nvml-sim.json                  which GPUs there are, and what fails
//! dir/devices-given.jsonl            written by the hook: what each container was given
//! ```
//!
//! The hook must not be a symbolic link: it looks beside the file that the link leads to.
//!
//! The library reads the file again whenever it changed, at the next call, while it stays loaded.
//! Replace it by a rename: half a file answers `UNKNOWN`, with the reason on stderr. Without the
//! file the driver is not loaded (`DRIVER_NOT_LOADED`). Device handles stay valid across changes
//! and mean the device of that UUID; one that is gone gives `GPU_IS_LOST`, and a MIG device that
//! is gone `INVALID_ARGUMENT`.
//!
//! # nvml-sim.json
//!
//! Unknown keys and functions are errors. What `topologies/` holds are complete files.
//!
//! ```json
#![doc = include_str!("../topologies/example.json")]
//! ```
//!
//! | key | meaning |
//! |---|---|
//! | `driver_version`, `cuda_version` | texts such as `"550.54.15"` and `"12.4"` |
//! | `gpus` | in the order of their indices; a UUID begins with `GPU-` and appears once |
//! | `minor_number` | the `0` of `/dev/nvidia0` |
//! | `pci_bus_id` | `domain:bus:device.function`, in hexadecimal |
//! | `memory` | `total_bytes`, `used_bytes`; of a GPU in MIG mode too they are answered as written, not summed |
//! | `utilization` | `gpu_percent`, `memory_percent`; not supported, whatever is written, in MIG mode |
//! | `temperature_celsius`, `power_milliwatts` | integers |
//! | `max_mig_devices` | 7 on A100 and H100, 4 on A30; absent or 0: the GPU knows no MIG |
//! | `mig_enabled` | absent: false |
//! | `mig` | MIG devices in the order of their indices; a UUID begins with `MIG-`; none is there unless `mig_enabled` |
//! | `processes` | `pid`, `memory_bytes` (absent or null: the driver cannot tell), `sm_percent` (absent: 0) |
//! | `lost` | true: fallen off the bus; it is counted, every other call on it gives `GPU_IS_LOST` |
//! | `failures` | calls that fail, see below |
//!
//! A failure names a `function` of NVML, and a `result`: an error without its `NVML_ERROR_`
//! (`"UNKNOWN"`, `"TIMEOUT"`, ...) or `"hang"`, which never returns. With a `device`, a UUID, it
//! is for calls on that GPU and its MIG devices, or on that MIG device, only.
//!
//! # Faithfulness
//!
//! The answers follow NVIDIA's header. Where it leaves room, the narrower answer is given, so that
//! a program which works here asks for no more than hardware gives: minor number, PCI bus,
//! temperature, power and utilisation of a MIG device are `NOT_SUPPORTED`; they are asked of its
//! parent. A MIG device has 14 multiprocessors per slice, as on A100.
//!
//! # devices-given.jsonl
//!
//! The hook writes one line for each container that starts with devices:
//! `{"time":1767225600.25,"id":"<container id>","pid":4242,"devices":["GPU-..."]}`. The time is in
//! seconds since 1970, the devices are UUIDs. A GPU in MIG mode stands for all of its MIG devices,
//! however it was named, since these are what such a container could use.

mod c;
mod device;
mod exports;

mod library;
mod state;

pub mod fault;
pub mod topology;
pub mod visible;
