use serde_json::{Value, json};

use super::*;

const EXAMPLE: &str = include_str!("../../topologies/example.json");

/// What is said of the example after `change`.
fn refusal(change: impl FnOnce(&mut Value)) -> String {
    let mut value = serde_json::from_str(EXAMPLE).unwrap();
    change(&mut value);
    Topology::parse(&value.to_string()).unwrap_err().to_string()
}

#[test]
fn the_documented_example_is_read_whole() {
    let topology = Topology::parse(EXAMPLE).unwrap();
    assert_eq!(
        topology.cuda_version,
        CudaVersion {
            major: 12,
            minor: 4
        }
    );
    let [whole, split] = topology.gpus.as_slice() else {
        panic!("two GPUs")
    };
    assert_eq!(
        whole.pci_bus_id,
        PciBusId {
            domain: 0,
            bus: 7,
            device: 0
        }
    );
    assert_eq!(whole.processes[1].memory_bytes, None);
    assert!(split.mig_enabled && split.mig.len() == 2);
    let results: Vec<_> = topology
        .failures
        .iter()
        .map(|failure| failure.result)
        .collect();
    assert_eq!(results, [Fault::UNKNOWN, Fault::Hang]);
}

#[test]
fn what_would_go_unnoticed_is_refused() {
    let said = refusal(|file| file["gpus"][0]["speed"] = json!(1));
    assert!(said.starts_with("unknown field `speed`"), "{said}");
    let said = refusal(|file| file["cuda_version"] = json!("12"));
    assert!(said.starts_with("\"12\" is not a CUDA version"), "{said}");
    for odd in ["7:0.0", "0:7:0", "0:7:0.1", "0:7:0:0.0", "0:100:0.0"] {
        let said = refusal(|file| file["gpus"][0]["pci_bus_id"] = json!(odd));
        assert!(
            said.starts_with(&format!("{odd:?} is not a PCI bus id")),
            "{said}"
        );
    }
    let said = refusal(|file| file["gpus"][0]["uuid"] = json!("MIG-1"));
    assert_eq!(said, "the uuid \"MIG-1\" does not begin with \"GPU-\"");
    let said = refusal(|file| {
        file["gpus"][1]["mig"][1]["uuid"] = file["gpus"][1]["mig"][0]["uuid"].clone();
    });
    assert!(said.ends_with("appears twice"), "{said}");
}

#[test]
fn a_failure_that_cannot_happen_is_refused() {
    let said = |failure: Value| refusal(|file| file["failures"] = json!([failure]));
    assert_eq!(
        said(json!({"function": "nvmlDeviceGetNames", "result": "hang"})),
        "a failure names the function \"nvmlDeviceGetNames\", which is not simulated"
    );
    assert_eq!(
        said(json!({"function": "nvmlDeviceGetName", "device": "GPU-0", "result": "hang"})),
        "a failure names the device \"GPU-0\", which is not listed"
    );
    let result = said(json!({"function": "nvmlDeviceGetName", "result": "LOST"}));
    assert!(
        result.starts_with("\"LOST\" is neither \"hang\" nor"),
        "{result}"
    );
    let topology = Topology::parse(EXAMPLE).unwrap();
    let uuid = &topology.gpus[0].uuid;
    for function in ["nvmlInit_v2", "nvmlDeviceGetCount_v2"] {
        let said = said(json!({"function": function, "device": uuid, "result": "hang"}));
        assert!(said.starts_with("a failure names a device for"), "{said}");
    }
}

#[test]
fn a_failure_of_a_gpu_is_one_of_its_mig_devices_too() {
    let mut topology = Topology::parse(EXAMPLE).unwrap();
    let [whole, parent] = [topology.gpus[0].uuid.clone(), topology.gpus[1].uuid.clone()];
    let [mig, other] = [0, 1].map(|index: usize| topology.gpus[1].mig[index].uuid.clone());
    let mut fails = |device: &str, asked: &str| {
        let function = "nvmlDeviceGetName".to_owned();
        let device = Some(device.to_owned());
        topology.failures = vec![Failure {
            function,
            device,
            result: Fault::UNKNOWN,
        }];
        topology
            .failure("nvmlDeviceGetName", topology.device(asked).as_ref())
            .is_err()
    };
    assert!(fails(&parent, &parent) && fails(&parent, &mig) && fails(&mig, &mig));
    assert!(!fails(&parent, &whole) && !fails(&mig, &parent) && !fails(&mig, &other));
}
