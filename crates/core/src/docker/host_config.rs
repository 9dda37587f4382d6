//! `HostConfig` of a container.

use std::collections::BTreeMap;

use super::{
    body::{Texts, Words, body},
    mount::Mount,
};

body! {
    /// What a container may use of its host.
    pub(crate) struct HostConfig {
        binds: Vec<String>,
        #[serde(rename = "ContainerIDFile")]
        container_id_file: String,
        log_config: LogConfig,
        network_mode: String,
        port_bindings: BTreeMap<String, Option<Vec<PortBinding>>>,
        restart_policy: RestartPolicy,
        auto_remove: bool,
        volume_driver: String,
        volumes_from: Vec<String>,
        mounts: Vec<Mount>,
        console_size: [u64; 2],
        annotations: Texts,
        cap_add: Words,
        cap_drop: Words,
        /// Only in clients of API 1.40.
        capabilities: Vec<String>,
        cgroupns_mode: String,
        dns: Vec<String>,
        dns_options: Vec<String>,
        dns_search: Vec<String>,
        extra_hosts: Vec<String>,
        group_add: Vec<String>,
        ipc_mode: String,
        cgroup: String,
        links: Vec<String>,
        oom_score_adj: i64,
        pid_mode: String,
        privileged: bool,
        publish_all_ports: bool,
        readonly_rootfs: bool,
        security_opt: Vec<String>,
        storage_opt: Texts,
        tmpfs: Texts,
        #[serde(rename = "UTSMode")]
        uts_mode: String,
        userns_mode: String,
        shm_size: i64,
        sysctls: Texts,
        runtime: String,
        isolation: String,
        cpu_shares: i64,
        memory: i64,
        nano_cpus: i64,
        cgroup_parent: String,
        blkio_weight: u16,
        blkio_weight_device: Vec<WeightDevice>,
        blkio_device_read_bps: Vec<ThrottleDevice>,
        blkio_device_write_bps: Vec<ThrottleDevice>,
        #[serde(rename = "BlkioDeviceReadIOps")]
        blkio_device_read_iops: Vec<ThrottleDevice>,
        #[serde(rename = "BlkioDeviceWriteIOps")]
        blkio_device_write_iops: Vec<ThrottleDevice>,
        cpu_period: i64,
        cpu_quota: i64,
        cpu_realtime_period: i64,
        cpu_realtime_runtime: i64,
        cpuset_cpus: String,
        cpuset_mems: String,
        devices: Vec<DeviceMapping>,
        device_cgroup_rules: Vec<String>,
        device_requests: Vec<DeviceRequest>,
        /// Only in older clients.
        disk_quota: i64,
        kernel_memory: i64,
        #[serde(rename = "KernelMemoryTCP")]
        kernel_memory_tcp: i64,
        memory_reservation: i64,
        memory_swap: i64,
        memory_swappiness: i64,
        oom_kill_disable: bool,
        pids_limit: i64,
        ulimits: Vec<Ulimit>,
        cpu_count: i64,
        cpu_percent: i64,
        #[serde(rename = "IOMaximumIOps")]
        io_maximum_iops: u64,
        #[serde(rename = "IOMaximumBandwidth")]
        io_maximum_bandwidth: u64,
        masked_paths: Vec<String>,
        readonly_paths: Vec<String>,
        init: bool,
    }
}

body! {
    /// Where the output goes.
    pub(crate) struct LogConfig {
        #[serde(rename = "Type")]
        driver: String,
        config: Texts,
    }
}

body! {
    /// A port of the host.
    pub(crate) struct PortBinding {
        host_ip: String,
        host_port: String,
    }
}

body! {
    /// What the engine does when a container ends.
    pub(crate) struct RestartPolicy {
        name: String,
        maximum_retry_count: i64,
    }
}

body! {
    /// A block device's weight.
    pub(crate) struct WeightDevice {
        path: String,
        weight: u16,
    }
}

body! {
    /// A block device's rate.
    pub(crate) struct ThrottleDevice {
        path: String,
        rate: u64,
    }
}

body! {
    /// A device node of the host.
    pub(crate) struct DeviceMapping {
        path_on_host: String,
        path_in_container: String,
        cgroup_permissions: String,
    }
}

body! {
    /// Devices from a driver.
    pub(crate) struct DeviceRequest {
        driver: String,
        count: i64,
        #[serde(rename = "DeviceIDs")]
        device_ids: Vec<String>,
        capabilities: Vec<Vec<String>>,
        options: Texts,
    }
}

body! {
    /// A limit of the kernel on each process.
    pub(crate) struct Ulimit {
        name: String,
        soft: i64,
        hard: i64,
    }
}
