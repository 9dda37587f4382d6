use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::{device::Uuid, limits::Limits};

mod containers;
mod gpus;
mod limits;
mod mounts;
mod mutations;
mod others;
mod reading;
mod refusals;

const GIB: i64 = 1 << 30;

/// What docker CLI 28, docker-py 7.1 and docker-compose 1.29 sent, a path and a body a line.
const RECORDED: &str = include_str!("tests/recorded.txt");

fn alice() -> Owner<'static> {
    Owner {
        uid: 1001,
        gid: 100,
        login: "alice",
    }
}

fn limits() -> Limits {
    Limits {
        nano_cpus: Some(4_000_000_000),
        memory_bytes: Some(32 << 30),
        memory_swap_bytes: Some(40 << 30),
        shm_bytes: Some(16 << 30),
        pids: Some(4096),
        max_tasks: None,
        ..Limits::shipped()
    }
}

/// The request of alice, with `Image` where it has none.
fn planned_of(mut body: Value, limits: &Limits, allow: &Allow) -> Result<Planned, Refused> {
    if let Value::Object(body) = &mut body {
        body.entry("Image").or_insert("busybox".into());
    }
    let rules = Rules {
        owner: alice(),
        limits,
        host_cpus: 8,
        allow,
        docker: true,
    };
    let name = "thesis".parse().unwrap();
    plan(read(body.to_string().as_bytes())?, name, &rules)
}

fn planned(body: Value) -> Result<Planned, Refused> {
    planned_of(body, &limits(), &Allow::default())
}

/// With these keys of `HostConfig`.
fn host(config: Value) -> Result<Planned, Refused> {
    planned(json!({ "HostConfig": config }))
}

/// Everything that `planned` names was found: folders and networks under their own names with a
/// mark, containers by id, all of them made to run as their owner if `as_owner`. Volumes are new.
fn finished_with(
    planned: &Planned,
    devices: &[Uuid],
    as_owner: bool,
    sharers: &[Peer],
) -> Result<Finished, Refused> {
    let mut used = UsedVolumes::default();
    for volume in planned.volumes.values() {
        used.make(volume, crate::time::Timestamp(0)).unwrap();
    }
    finished_used(planned, devices, as_owner, sharers, &used)
}

/// The same, with volumes that were used so.
fn finished_used(
    planned: &Planned,
    devices: &[Uuid],
    as_owner: bool,
    sharers: &[Peer],
    used: &UsedVolumes,
) -> Result<Finished, Refused> {
    let found = |names: Vec<String>, start: &str| -> BTreeMap<String, String> {
        let marked = |name: String| (name.clone(), format!("{start}{name}"));
        names.into_iter().map(marked).collect()
    };
    let sources = planned.binds.iter().map(|bind| bind.source.clone());
    let named = planned.joins.union(&planned.links).cloned();
    let peer = |name: String| {
        let id = format!("id-{name}");
        (name, Peer { id, as_owner })
    };
    finish(
        planned.clone(),
        &Given {
            image: Some("sha256:1234"),
            labels: &BTreeMap::from([("ds01.managed".into(), "true".into())]),
            devices,
            by_cdi: false,
            log: None,
            logs_json: true,
            cgroup_parent: Some("ds01-student-alice.slice"),
            binds: &found(sources.collect(), "/run/ds01"),
            volumes: &BTreeMap::new(),
            unnamed: &BTreeMap::new(),
            networks: &found(planned.networks.iter().cloned().collect(), "net-"),
            containers: &named.map(peer).collect(),
            sharers,
            used,
            inherits_binds: false,
        },
    )
}

fn finished(planned: &Planned, devices: &[Uuid]) -> Value {
    let done = finished_with(planned, devices, !planned.binds.is_empty(), &[]).unwrap();
    serde_json::to_value(done.body).unwrap()
}

fn uuids(names: &[&str]) -> Vec<Uuid> {
    names.iter().map(|name| Uuid((*name).into())).collect()
}

/// The field that a request was refused for.
fn field<T: std::fmt::Debug>(refused: Result<T, Refused>) -> &'static str {
    match refused {
        Err(Refused::Value { field, .. } | Refused::Forbidden { field, .. }) => field,
        Err(Refused::Json(_)) => "JSON",
        Err(Refused::NoSuch { .. }) => "no such",
        Err(Refused::Mixed(_)) => "mixed",
        Err(Refused::Used { .. }) => "used",
        Ok(_) => "allowed",
    }
}
