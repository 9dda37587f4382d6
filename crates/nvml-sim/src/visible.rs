//! Which devices a container is given: the decision of the hook.

use crate::{device::Device, topology::Topology};

/// The hook's record of what containers were given, beside its executable.
pub const RECORD: &str = "devices-given.jsonl";

/// The variable that names them, and the values that name none.
const VARIABLE: &str = "NVIDIA_VISIBLE_DEVICES=";
const NOTHING: [&str; 3] = ["", "none", "void"];

/// Why a container does not start.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No device has this id.
    #[error("unknown device: {0}")]
    Unknown(String),
    /// The device has fallen off the bus.
    #[error("GPU is lost: {0}")]
    Lost(String),
}

/// The ids that a container's environment asks for; `None` if it asks for no device.
///
/// The last setting wins: the engine puts its own after that of the image.
pub fn asked(environment: &[String]) -> Option<&str> {
    let ids = environment
        .iter()
        .rev()
        .find_map(|setting| setting.strip_prefix(VARIABLE))?;
    (!NOTHING.contains(&ids)).then_some(ids)
}

/// The UUIDs of the devices that `ids` names, each once.
///
/// `ids` is `all`, or a list with commas of UUIDs and indices: `0` is a GPU, `0:1` one of its MIG
/// devices. A GPU in MIG mode stands for all of its MIG devices.
///
/// # Errors
///
/// [`Refused`] names the first device that is unknown or lost.
pub fn given(topology: &Topology, ids: &str) -> Result<Vec<String>, Refused> {
    let mut named = Vec::new();
    if ids == "all" {
        named.extend((0..topology.gpus.len()).filter_map(|index| topology.gpu(index)));
    } else {
        for id in ids.split(',') {
            named.push(find(topology, id).ok_or_else(|| Refused::Unknown(id.to_owned()))?);
        }
    }
    let mut uuids: Vec<String> = Vec::new();
    for device in named {
        if device.gpu.lost {
            return Err(Refused::Lost(device.uuid().to_owned()));
        }
        let itself = (device.mig.is_some() || !device.gpu.mig_enabled).then_some(device);
        for device in itself.into_iter().chain(device.instances()) {
            if !uuids.iter().any(|uuid| uuid == device.uuid()) {
                uuids.push(device.uuid().to_owned());
            }
        }
    }
    Ok(uuids)
}

fn find<'a>(topology: &'a Topology, id: &str) -> Option<Device<'a>> {
    if id.starts_with(|first: char| first.is_ascii_digit()) {
        return match id.split_once(':') {
            Some((gpu, mig)) => topology
                .gpu(gpu.parse().ok()?)?
                .child(mig.parse().ok()?)
                .ok(),
            None => topology.gpu(id.parse().ok()?),
        };
    }
    topology.device(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Topology {
        Topology::parse(include_str!("../topologies/example.json")).unwrap()
    }

    #[test]
    fn the_last_setting_counts_and_may_ask_for_nothing() {
        let asks = |settings: &[&str]| {
            let settings: Vec<_> = settings.iter().map(ToString::to_string).collect();
            asked(&settings).map(str::to_owned)
        };
        assert_eq!(asks(&["PATH=/bin"]), None);
        assert_eq!(asks(&["MY_NVIDIA_VISIBLE_DEVICES=0"]), None);
        assert_eq!(
            asks(&[
                "NVIDIA_VISIBLE_DEVICES=all",
                "A=b",
                "NVIDIA_VISIBLE_DEVICES=GPU-1"
            ]),
            Some("GPU-1".into())
        );
        for nothing in ["", "none", "void"] {
            let setting = format!("NVIDIA_VISIBLE_DEVICES={nothing}");
            assert_eq!(
                asks(&["NVIDIA_VISIBLE_DEVICES=all", &setting]),
                None,
                "{nothing:?}"
            );
        }
    }

    #[test]
    fn devices_are_named_by_uuid_or_index_and_given_once() {
        let topology = example();
        let [whole, parent] = topology.gpus.as_slice() else {
            panic!("two GPUs")
        };
        let [first, second] = [0, 1].map(|index: usize| parent.mig[index].uuid.as_str());
        let given = |ids: &str| given(&topology, ids).unwrap();
        assert_eq!(given(&whole.uuid), [whole.uuid.as_str()]);
        assert_eq!(
            given(&format!("{second},0,{second}")),
            [second, whole.uuid.as_str()]
        );
        assert_eq!(given("1:1,1:0"), [second, first]);
        assert_eq!(given("all"), [whole.uuid.as_str(), first, second]);
    }

    #[test]
    fn a_gpu_in_mig_mode_is_its_mig_devices() {
        let topology = example();
        let parent = &topology.gpus[1];
        let all = [parent.mig[0].uuid.clone(), parent.mig[1].uuid.clone()];
        for id in ["1", &parent.uuid] {
            assert_eq!(given(&topology, id), Ok(all.to_vec()), "{id}");
        }
    }

    #[test]
    fn what_is_unknown_is_refused() {
        let topology = example();
        for id in [
            "GPU-0", "2", "0:0", "1:2", "1:", "-1", "0,", "0,all", " 0", "none",
        ] {
            assert!(
                matches!(given(&topology, id), Err(Refused::Unknown(_))),
                "{id:?}"
            );
        }
    }

    #[test]
    fn a_lost_gpu_and_its_mig_devices_are_refused() {
        let mut topology = example();
        topology.gpus[1].lost = true;
        for id in ["1", "1:0", "0,1:1", "all"] {
            assert!(
                matches!(given(&topology, id), Err(Refused::Lost(_))),
                "{id}"
            );
        }
        assert!(given(&topology, "0").is_ok());
    }
}
