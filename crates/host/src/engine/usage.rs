//! What containers use, as the engine tells it where nothing else does; and what they fill.

use std::{collections::HashMap, path::PathBuf};

use bollard::{
    Docker,
    errors::Error as Bollard,
    models::{ContainerInspectResponse, ContainerStatsResponse},
    query_parameters::{ListContainersOptions, StatsOptions},
};
use ds01_core::{container::ContainerId, usage::Counters};
use futures_util::{
    StreamExt,
    future::{try_join, try_join_all},
};

use super::{Call, Engine, EngineError, read::is_404};
use crate::clock;

impl Engine {
    /// The counters of several running containers at once; `None` of one that has stopped.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn counters(&self, ids: &[ContainerId]) -> Result<Vec<Option<Counters>>, EngineError> {
        self.wait(Call::Read("tell what containers use"), |docker| {
            try_join_all(ids.iter().map(async |id| {
                let inspected = docker.inspect_container(&id.0, None);
                match try_join(stats(docker, id), inspected).await {
                    Ok(((at_ns, stats), inspected)) => Ok(counters(at_ns, &stats, &inspected)),
                    Err(error) if is_404(&error) => Ok(None),
                    Err(error) => Err(error),
                }
            }))
        })
    }

    /// What these containers fill of the disk beyond their images. To find out, the engine walks
    /// through their files.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn sizes(&self, ids: &[ContainerId]) -> Result<HashMap<ContainerId, u64>, EngineError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let ids = ids.iter().map(|id| id.0.clone()).collect();
        let options = ListContainersOptions {
            all: true,
            size: true,
            filters: Some(HashMap::from([("id".to_string(), ids)])),
            ..ListContainersOptions::default()
        };
        let list = self.wait(Call::Read("tell the sizes of containers"), |docker| {
            docker.list_containers(Some(options))
        })?;
        // Nothing was written: the engine leaves the figure out.
        let size = |size: Option<i64>| size.unwrap_or(0).try_into().unwrap_or(0);
        let sized = list
            .into_iter()
            .filter_map(|c| Some((ContainerId(c.id?), size(c.size_rw))));
        Ok(sized.collect())
    }

    /// Where it keeps its files.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn root_dir(&self) -> Result<Option<PathBuf>, EngineError> {
        let info = self.wait(Call::Read("describe itself"), Docker::info)?;
        Ok(info.docker_root_dir.map(PathBuf::from))
    }
}

/// One sample, and when it came.
async fn stats(
    docker: &Docker,
    id: &ContainerId,
) -> Result<(u64, ContainerStatsResponse), Bollard> {
    let options = StatsOptions {
        stream: false,
        one_shot: true,
    };
    let first = Box::pin(docker.stats(&id.0, Some(options))).next().await;
    Ok((clock::steady_ns(), first.transpose()?.unwrap_or_default()))
}

fn counters(
    at_ns: u64,
    stats: &ContainerStatsResponse,
    inspected: &ContainerInspectResponse,
) -> Option<Counters> {
    let state = inspected.state.as_ref()?;
    let run = state
        .pid
        .and_then(|pid| u64::try_from(pid).ok())
        .filter(|pid| *pid > 0)?;
    let limit = |limit: Option<i64>| limit.and_then(|limit| u64::try_from(limit).ok());
    let limit = |value| limit(value).filter(|limit| *limit > 0);
    let host = inspected.host_config.as_ref();
    let cpu = stats
        .cpu_stats
        .as_ref()
        .and_then(|cpu| cpu.cpu_usage.as_ref());
    let memory = stats.memory_stats.as_ref();
    // The older layout has both, of which this one counts the whole container.
    let cached = memory
        .and_then(|memory| memory.stats.as_ref())
        .and_then(|stats| {
            let names = ["total_inactive_file", "inactive_file"];
            names.iter().find_map(|name| stats.get(*name).copied())
        });
    let memory = memory.and_then(|memory| memory.usage);
    Some(Counters {
        at_ns,
        run,
        cpu_ns: cpu.and_then(|cpu| cpu.total_usage),
        memory_bytes: memory
            .zip(cached)
            .map(|(all, cached)| all.saturating_sub(cached)),
        processes: stats.pids_stats.as_ref().and_then(|pids| pids.current),
        nano_cpus: limit(host.and_then(|host| host.nano_cpus)),
        memory_limit_bytes: limit(host.and_then(|host| host.memory)),
        processes_limit: limit(host.and_then(|host| host.pids_limit)),
    })
}
