//! What the engine of this host can do.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use ds01_core::failure::Failure;

use crate::{Site, engine::Abilities, ledger_file::write_new};

/// The engine's configuration, which can name another cgroup driver.
const DAEMON: &str = "/etc/docker/daemon.json";

impl Site {
    /// What the engine can do, asked once for each time that it was started: telling costs it
    /// more than creating a container. What it said is kept beside the ledger, but where it gives
    /// GPUs by CDI, whose list changes while it runs.
    ///
    /// # Errors
    ///
    /// If the engine does not answer.
    pub(crate) fn abilities(&self) -> Result<Abilities, Failure> {
        let files = [
            self.config().engine.socket.as_path(),
            Path::new("/run/docker.pid"),
            Path::new(DAEMON),
        ];
        let stamp = files.map(|file| match fs::metadata(file) {
            Ok(file) => {
                let (second, part) = (file.mtime(), file.mtime_nsec());
                format!("{}:{}:{second}.{part:09}", file.dev(), file.ino())
            }
            Err(_) => "-".to_string(),
        });
        let stamp = stamp.join(" ");
        let kept = self.config().paths.state.join("engine");
        let known = fs::read_to_string(&kept).unwrap_or_default();
        let said = known.split_once('\n').filter(|(of, _)| *of == stamp);
        let mut words = said.map_or("", |(_, said)| said).splitn(3, ' ');
        if let (Some(cgroups), Some(log), Some(runtime)) =
            (words.next(), words.next(), words.next())
        {
            return Ok(Abilities {
                slices: cgroups == "systemd",
                logs_json: log == "json-file",
                runtime: runtime.into(),
                ..Abilities::default()
            });
        }
        let abilities = self.engine().abilities()?;
        if abilities.cdi_gpus.is_empty() {
            let cgroups = if abilities.slices {
                "systemd"
            } else {
                "cgroupfs"
            };
            let log = if abilities.logs_json {
                "json-file"
            } else {
                "other"
            };
            let text = format!("{stamp}\n{cgroups} {log} {}", abilities.runtime);
            // Not kept, it is asked again.
            let _ = write_new(&kept, text.as_bytes());
        }
        Ok(abilities)
    }
}
