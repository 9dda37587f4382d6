//! The built hook, run as the engine's runtime runs it.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use crate::driver::{Driver, shipped};
use serde_json::{Value, json};

/// Status and stderr of the hook for a container with this environment.
fn hook(driver: &Driver, stage: &str, environment: &[&str]) -> (Option<i32>, String) {
    let bundle = driver.0.join("bundle");
    fs::create_dir_all(&bundle).unwrap();
    let config = json!({"ociVersion": "1.0.2", "process": {"args": ["sh"], "env": environment}, "hooks": {}});
    fs::write(bundle.join("config.json"), config.to_string()).unwrap();
    let hook = driver.0.join("nvidia-container-runtime-hook");
    // Not a copy: it could not be run while the child of another test, just forked, has it open.
    let _ = fs::hard_link(env!("CARGO_BIN_EXE_nvidia-container-runtime-hook"), &hook);
    let state = json!({"ociVersion": "1.0.2", "id": "c0ffee", "status": "created", "pid": 4242, "bundle": bundle});
    let mut child = Command::new(hook)
        .arg(stage)
        .env_clear()
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A hook that has nothing to do does not read.
    let _ = child
        .stdin
        .take()
        .unwrap()
        .write_all(state.to_string().as_bytes());
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// The lines of the record.
fn record(directory: &Path) -> Vec<Value> {
    let text = fs::read_to_string(directory.join("devices-given.jsonl")).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

const DONE: (Option<i32>, String) = (Some(0), String::new());

#[test]
fn what_each_container_is_given_is_recorded() {
    let driver = Driver::new("hook-given", "a100-mig.json");
    let file = shipped("a100-mig.json");
    let uuid = |gpu: usize| &file["gpus"][gpu]["uuid"];
    let mig = |gpu: usize, index: usize| &file["gpus"][gpu]["mig"][index]["uuid"];
    let ask = format!("NVIDIA_VISIBLE_DEVICES={},2:1", mig(1, 0).as_str().unwrap());
    assert_eq!(
        hook(&driver, "prestart", &["NVIDIA_VISIBLE_DEVICES=all", &ask]),
        DONE
    );
    assert_eq!(
        hook(&driver, "prestart", &["NVIDIA_VISIBLE_DEVICES=0"]),
        DONE
    );
    let record = record(&driver.0);
    let given: Vec<_> = record
        .iter()
        .map(|line| (&line["id"], &line["pid"], &line["devices"]))
        .collect();
    let (id, pid) = (json!("c0ffee"), json!(4242));
    assert_eq!(
        given,
        [
            (&id, &pid, &json!([mig(1, 0), mig(2, 1)])),
            (&id, &pid, &json!([uuid(0)]))
        ]
    );
    let times: Vec<_> = record
        .iter()
        .map(|line| line["time"].as_f64().unwrap())
        .collect();
    assert!(times[0] > 1.7e9 && times[0] <= times[1], "{times:?}");
}

#[test]
fn devices_that_are_unknown_or_lost_stop_the_container() {
    let driver = Driver::new("hook-refused", "one.json");
    let refused = |why: &str| (Some(1), format!("nvidia-container-runtime-hook: {why}\n"));
    let ask = |id: &str| {
        hook(
            &driver,
            "prestart",
            &[&format!("NVIDIA_VISIBLE_DEVICES={id}")],
        )
    };
    assert_eq!(ask("GPU-0"), refused("unknown device: GPU-0"));
    let mut file = shipped("one.json");
    file["gpus"][0]["lost"] = json!(true);
    driver.write(&file);
    let uuid = file["gpus"][0]["uuid"].as_str().unwrap();
    assert_eq!(ask("0"), refused(&format!("GPU is lost: {uuid}")));
    fs::remove_file(driver.0.join("nvml-sim.json")).unwrap();
    assert_eq!(ask("0"), refused("driver not loaded"));
    assert_eq!(record(&driver.0), [] as [Value; 0]);
}

#[test]
fn containers_without_devices_and_other_stages_pass() {
    let driver = Driver::new("hook-nothing", "one.json");
    assert_eq!(hook(&driver, "prestart", &["PATH=/bin"]), DONE);
    assert_eq!(
        hook(&driver, "prestart", &["NVIDIA_VISIBLE_DEVICES=void"]),
        DONE
    );
    assert_eq!(
        hook(&driver, "poststop", &["NVIDIA_VISIBLE_DEVICES=GPU-0"]),
        DONE
    );
    assert_eq!(record(&driver.0), [] as [Value; 0]);
}
