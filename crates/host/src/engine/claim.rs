//! Which GPUs a container asks for, however it says so.

use std::collections::HashMap;

use bollard::models::HostConfig;
use ds01_core::device::Claim;

/// A label by which root says of a container past DS01 that it watches GPUs, and keeps none from
/// others: what it computes all the same is seen as any process's outside of containers.
///
/// Source: the original's monitoring stack, which has it on all of its containers.
const WATCHES: &str = "ds01.monitoring";

/// The GPU devices that a container asks for, unless it has the label [`WATCHES`]: by device requests,
/// by NVIDIA's runtime and the variable that it reads, by device files, or by being privileged.
pub(super) fn claim(
    host: &HostConfig,
    env: &[String],
    labels: Option<&HashMap<String, String>>,
) -> Option<Claim> {
    if labels.is_some_and(|labels| labels.get(WATCHES).is_some_and(|value| value == "true")) {
        return None;
    }
    let mut names = Vec::new();
    for request in host.device_requests.iter().flatten() {
        match &request.device_ids {
            // A CDI name ends in the device: nvidia.com/gpu=GPU-….
            Some(ids) if !ids.is_empty() => {
                names.extend(
                    ids.iter()
                        .map(|id| id.rsplit('=').next().unwrap_or(id).to_string()),
                );
            }
            // A number of devices, that the engine chooses: any of them.
            _ => return Some(Claim::All),
        }
    }
    let files = host
        .devices
        .iter()
        .flatten()
        .filter_map(|device| device.path_on_host.as_deref());
    for file in files.filter_map(|file| file.strip_prefix("/dev/nvidia")) {
        match file.parse::<u32>() {
            Ok(index) => names.push(index.to_string()),
            Err(_) if file.starts_with("-caps") => return Some(Claim::All),
            Err(_) => {}
        }
    }
    if host.privileged == Some(true) {
        return Some(Claim::All);
    }
    if host
        .runtime
        .as_deref()
        .is_some_and(|runtime| runtime.contains("nvidia"))
    {
        let variable = env
            .iter()
            .rev()
            .find_map(|e| e.strip_prefix("NVIDIA_VISIBLE_DEVICES="));
        match variable.unwrap_or_default() {
            "" | "void" | "none" => {}
            "all" => return Some(Claim::All),
            list => names.extend(list.split(',').map(str::to_string)),
        }
    }
    names.retain(|name| !name.is_empty());
    if names.iter().any(|name| name == "all") {
        return Some(Claim::All);
    }
    (!names.is_empty()).then_some(Claim::Named(names))
}

#[cfg(test)]
mod tests {
    use bollard::models::{DeviceMapping, DeviceRequest};

    use super::*;

    fn asks(host: HostConfig, env: &str) -> Option<Claim> {
        claim(&host, &[env.to_string()], None)
    }

    fn request(ids: Option<&[&str]>, count: Option<i64>) -> HostConfig {
        let device_ids = ids.map(|ids| ids.iter().map(|id| id.to_string()).collect());
        let request = DeviceRequest {
            device_ids,
            count,
            ..DeviceRequest::default()
        };
        HostConfig {
            device_requests: Some(vec![request]),
            ..HostConfig::default()
        }
    }

    fn named(names: &[&str]) -> Option<Claim> {
        Some(Claim::Named(
            names.iter().map(|name| name.to_string()).collect(),
        ))
    }

    #[test]
    fn every_form_of_a_gpu_request_is_a_claim() {
        assert_eq!(
            asks(HostConfig::default(), "NVIDIA_VISIBLE_DEVICES=all"),
            None
        );
        assert_eq!(
            asks(request(Some(&["GPU-a", "1"]), None), ""),
            named(&["GPU-a", "1"])
        );
        assert_eq!(
            asks(request(Some(&["nvidia.com/gpu=MIG-b"]), None), ""),
            named(&["MIG-b"])
        );
        assert_eq!(asks(request(Some(&["all"]), None), ""), Some(Claim::All));
        assert_eq!(asks(request(None, Some(-1)), ""), Some(Claim::All));
        assert_eq!(asks(request(Some(&[]), Some(2)), ""), Some(Claim::All));
        let file = |path: &str| HostConfig {
            devices: Some(vec![DeviceMapping {
                path_on_host: Some(path.into()),
                ..DeviceMapping::default()
            }]),
            ..HostConfig::default()
        };
        assert_eq!(asks(file("/dev/nvidia3"), ""), named(&["3"]));
        assert_eq!(asks(file("/dev/nvidiactl"), ""), None);
        assert_eq!(
            asks(file("/dev/nvidia-caps/nvidia-cap1"), ""),
            Some(Claim::All)
        );
        let nvidia = || HostConfig {
            runtime: Some("nvidia".into()),
            ..HostConfig::default()
        };
        assert_eq!(
            asks(nvidia(), "NVIDIA_VISIBLE_DEVICES=all"),
            Some(Claim::All)
        );
        assert_eq!(
            asks(nvidia(), "NVIDIA_VISIBLE_DEVICES=0,GPU-b"),
            named(&["0", "GPU-b"])
        );
        assert_eq!(asks(nvidia(), "NVIDIA_VISIBLE_DEVICES=void"), None);
        let privileged = HostConfig {
            privileged: Some(true),
            ..HostConfig::default()
        };
        assert_eq!(asks(privileged.clone(), ""), Some(Claim::All));
        let label = |value: &str| HashMap::from([(WATCHES.to_string(), value.to_string())]);
        let labelled = |value| claim(&privileged, &[], Some(&label(value)));
        assert_eq!(labelled("true"), None);
        assert_eq!(labelled("false"), Some(Claim::All));
    }
}
