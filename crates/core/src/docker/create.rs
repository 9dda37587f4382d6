//! The body of `POST /containers/create`.

use super::{
    body::{Set, Texts, Words, body, text},
    endpoint::NetworkingConfig,
    host_config::HostConfig,
};

body! {
    /// The body of `POST /containers/create`.
    pub struct CreateBody {
        hostname: String,
        domainname: String,
        user: String,
        attach_stdin: bool,
        attach_stdout: bool,
        attach_stderr: bool,
        exposed_ports: Set,
        tty: bool,
        open_stdin: bool,
        stdin_once: bool,
        env: Vec<String>,
        cmd: Words,
        healthcheck: Healthcheck,
        args_escaped: bool,
        image: String,
        volumes: Set,
        working_dir: String,
        entrypoint: Words,
        network_disabled: bool,
        mac_address: String,
        on_build: Vec<String>,
        labels: Texts,
        stop_signal: String,
        stop_timeout: i64,
        shell: Words,
        /// The engine has it in `HostConfig`; docker-py writes it here too, as null.
        runtime: String,
        host_config: HostConfig,
        networking_config: NetworkingConfig,
    }
}

impl CreateBody {
    /// The image as the request names it, empty if it does not.
    pub fn image(&self) -> &str {
        text(&self.image)
    }

    /// `HostConfig`, made if it is absent.
    pub(super) fn host(&mut self) -> &mut HostConfig {
        self.host_config.get_or_insert_default()
    }
}

body! {
    /// How the engine finds out whether a container is well. Times in nanoseconds.
    pub(crate) struct Healthcheck {
        test: Vec<String>,
        interval: i64,
        timeout: i64,
        retries: i64,
        start_period: i64,
        start_interval: i64,
    }
}
