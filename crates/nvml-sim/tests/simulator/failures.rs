//! What the built library does when its file changes, is wrong, or asks for failures.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::driver::{Driver, error, shipped};
use nvml_wrapper::Nvml;
use serde_json::{Value, json};

#[test]
fn a_changed_file_is_answered_from_at_once() {
    let driver = Driver::new("rewrite", "a100-mig.json");
    let nvml = driver.load().unwrap();
    let mut file = shipped("a100-mig.json");
    let whole = nvml.device_by_index(0).unwrap();
    let last = nvml.device_by_index(3).unwrap();
    let mig = nvml
        .device_by_index(1)
        .unwrap()
        .mig_device_by_index(2)
        .unwrap();
    // Same size each time, and no time in between: the inode tells.
    for percent in 10..60 {
        file["gpus"][0]["utilization"]["gpu_percent"] = json!(percent);
        driver.write(&file);
        driver.write(&file);
        assert_eq!(whole.utilization_rates().unwrap().gpu, percent);
    }
    file["gpus"][1]["mig"].as_array_mut().unwrap().remove(0);
    file["gpus"].as_array_mut().unwrap().pop();
    driver.write(&file);
    assert_eq!((mig.index().unwrap(), nvml.device_count().unwrap()), (1, 3));
    assert_eq!(error(last.uuid()), "GpuLost");
    file["gpus"][1]["mig_enabled"] = json!(false);
    driver.write(&file);
    assert_eq!(error(mig.uuid()), "InvalidArg");
}

#[test]
fn a_driver_without_its_file_is_not_loaded() {
    let driver = Driver::new("absent", "one.json");
    std::fs::remove_file(driver.0.join("nvml-sim.json")).unwrap();
    assert_eq!(error(driver.load()), "DriverNotLoaded");
    driver.write_text("{");
    assert_eq!(error(driver.load()), "Unknown");
    driver.write(&shipped("one.json"));
    let nvml = driver.load().unwrap();
    driver.write_text("[]");
    assert_eq!(error(nvml.device_count()), "Unknown");
    std::fs::remove_file(driver.0.join("nvml-sim.json")).unwrap();
    assert_eq!(error(nvml.device_count()), "DriverNotLoaded");
    driver.write(&shipped("one.json"));
    assert_eq!(nvml.device_count().unwrap(), 1);
}

#[test]
fn calls_fail_as_the_file_says() {
    let driver = Driver::new("failures", "a100-mig.json");
    let mut file = shipped("a100-mig.json");
    let nvml = driver.load().unwrap();
    let [whole, parent] = [0, 1].map(|index| nvml.device_by_index(index).unwrap());
    let mig = parent.mig_device_by_index(0).unwrap();
    let uuid = parent.uuid().unwrap();
    let mut fail = |failures: Value| {
        file["failures"] = failures;
        driver.write(&file);
    };
    fail(json!([{"function": "nvmlDeviceGetMemoryInfo_v2", "device": uuid, "result": "UNKNOWN"}]));
    assert_eq!(
        [error(parent.memory_info()), error(mig.memory_info())],
        ["Unknown", "Unknown"]
    );
    assert!(whole.memory_info().is_ok() && parent.uuid().is_ok());
    fail(
        json!([{"function": "nvmlDeviceGetHandleByIndex_v2", "device": uuid, "result": "GPU_IS_LOST"}]),
    );
    assert_eq!(error(nvml.device_by_index(1)), "GpuLost");
    assert!(nvml.device_by_index(0).is_ok() && nvml.device_by_uuid(uuid.as_str()).is_ok());
    fail(json!([{"function": "nvmlDeviceGetName", "result": "TIMEOUT"}]));
    assert_eq!(
        [error(whole.name()), error(mig.name())],
        ["Timeout", "Timeout"]
    );
    fail(json!([{"function": "nvmlDeviceGetCount_v2", "result": "NO_PERMISSION"}]));
    assert_eq!(error(nvml.device_count()), "NoPermission");
    fail(json!([{"function": "nvmlInit_v2", "result": "LIB_RM_VERSION_MISMATCH"}]));
    assert_eq!(error(driver.load()), "LibRmVersionMismatch");
    fail(json!([]));
    assert!(driver.load().is_ok());
}

#[test]
fn a_gpu_that_fell_off_the_bus_is_counted_and_lost() {
    let driver = Driver::new("lost", "a100-mig.json");
    let mut file = shipped("a100-mig.json");
    let nvml = driver.load().unwrap();
    let parent = nvml.device_by_index(1).unwrap();
    let mig = parent.mig_device_by_index(0).unwrap();
    let [parent_uuid, mig_uuid] = [&parent, &mig].map(|device| device.uuid().unwrap());
    file["gpus"][1]["lost"] = json!(true);
    driver.write(&file);
    assert_eq!(nvml.device_count().unwrap(), 4);
    let lost = [
        error(parent.uuid()),
        error(parent.mig_mode()),
        error(parent.mig_device_by_index(0)),
        error(mig.memory_info()),
        error(mig.mig_parent_device()),
        error(nvml.device_by_index(1)),
        error(nvml.device_by_uuid(parent_uuid)),
        error(nvml.device_by_uuid(mig_uuid)),
    ];
    assert_eq!(lost, ["GpuLost"; 8]);
    assert!(nvml.device_by_index(2).unwrap().uuid().is_ok());
}

/// What the child process below prints once its call hangs.
const OTHERS_ARE_ANSWERED: &str = "others are answered";

/// The directory that the child process below loads the library from.
const CHILD: &str = "NVML_SIM_TEST_DIRECTORY";

#[test]
fn a_call_that_hangs_ends_only_with_its_process() {
    let driver = Driver::new("hang", "one.json");
    let mut file = shipped("one.json");
    file["failures"] = json!([{"function": "nvmlDeviceGetUtilizationRates", "result": "hang"}]);
    driver.write(&file);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "failures::a_process_whose_call_hangs",
        ])
        .env(CHILD, &driver.0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (say, said) = mpsc::channel();
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let _ = say.send(line);
        }
    });
    let in_time = Instant::now() + Duration::from_secs(20);
    let next = || said.recv_timeout(in_time.saturating_duration_since(Instant::now()));
    let others_are_answered =
        std::iter::from_fn(|| next().ok()).any(|line| line.ends_with(OTHERS_ARE_ANSWERED));
    thread::sleep(Duration::from_millis(200));
    let ended_by_itself = child.try_wait().unwrap();
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(ended_by_itself, None);
    assert_eq!(status.signal(), Some(9));
    assert!(others_are_answered, "other calls hang too");
}

#[test]
#[ignore = "the child process of another test"]
fn a_process_whose_call_hangs() {
    let Some(directory) = std::env::var_os(CHILD) else {
        return;
    };
    let path = std::path::Path::new(&directory).join("libnvidia-ml.so.1");
    let nvml = Nvml::builder().lib_path(path.as_os_str()).init().unwrap();
    let device = nvml.device_by_index(0).unwrap();
    thread::scope(|scope| {
        let hung = scope.spawn(|| device.utilization_rates());
        thread::sleep(Duration::from_millis(200));
        if !hung.is_finished() && device.uuid().is_ok() {
            writeln!(io::stdout(), "{OTHERS_ARE_ANSWERED}").unwrap();
        }
    });
}
