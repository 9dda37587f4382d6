//! The operations, a file each. The order of steps is settled here alone: gather what is known, decide
//! under the ledger's lock, record that, act on the engine, record what it did.

mod account;
mod admit;
mod adopt;
mod catalogue;
mod cleanup;
mod create;
mod docker;
mod draft;
mod events;
mod folders;
mod freeze;
mod gpus;
mod grant;
mod hand;
mod holds;
mod images;
mod inside;
mod installed;
mod intent;
mod join;
mod leave;
mod lifecycle;
mod limits;
mod line;
mod list;
mod locate;
mod make;
mod notices;
mod outside;
mod overview;
mod owner;
mod queue;
mod remove;
mod rename;
mod reserve;
mod restart;
mod sample;
mod serve;
mod settle;
mod shell;
mod slices;
mod start;
mod stop;
mod sweep;
mod target;
mod track;

use std::time::Duration;

use ds01_core::failure::{Failure, Kind};
use serde_json::Value;

use crate::{Operation, Site, site::fail, users::Caller};

pub(crate) use account::on_top;
pub use admit::Admit;
pub use adopt::{Adopt, Adopted};
pub(crate) use catalogue::entries;
pub use catalogue::{Catalogue, Offered};
pub use cleanup::{Discard, Leftover, Leftovers};
pub use create::{Create, Created, Creation, WaitUntil};
pub use docker::{
    DockerCreate, DockerCreated, DockerFound, RulesOf, Steps, note_admin, rules_of, steps_of,
};
pub use events::{EventsRead, ReadEvents};
pub use folders::restore_mounts;
pub use freeze::{Pause, Unpause};
pub use gpus::{DeviceHolder, DeviceStatus, Gpus, GpusStatus, OutsiderOf};
pub use holds::{EndHolds, Healed, Learned};
pub use images::{DeleteImage, ImageListed, Images};
pub use installed::{HandInstalled, Installed};
pub use join::{JoinLine, Joined};
pub use leave::Leave;
pub use lifecycle::{Done, Extend, Extended, IdleCheck, LongestRun, Passed, What};
pub use limits::{LimitsStatus, MyLimits};
pub(crate) use line::event as line_event;
pub use list::{List, Listed};
pub use locate::{Locate, Located};
pub use notices::TakeNotices;
pub use overview::{Allocated, Contained, HostStatus, Overview};
pub use queue::{KeptDevices, Queue, QueueStatus, Waiting};
pub use remove::{Remove, Removed};
pub use rename::{Rename, Renamed};
pub use reserve::{CancelReservation, Party, Reserve, Wanted};
pub use restart::Restart;
pub use sample::Sample;
pub use serve::{Handed, LinePassed, ServeLine, Served};
pub use settle::{EndedAtOnce, Settle};
pub use shell::{Shell, open_shell};
pub use slices::{LimitSlices, Limited, SlicesLimited};
pub use start::{Start, Started};
pub use stop::{Describe, Described, Stop, Stopped};
pub use sweep::{Gone, Sweep, Swept};
pub use track::{Track, TrackPassed};

/// The operations that commands ask for.
static COMMANDS: [ByGateway; 29] = [
    ByGateway::of::<Admit>(),
    ByGateway::of::<Create>(),
    ByGateway::of::<Start>(),
    ByGateway::of::<Settle>(),
    ByGateway::of::<Stop>(),
    ByGateway::of::<Describe>(),
    ByGateway::of::<Locate>(),
    ByGateway::of::<Pause>(),
    ByGateway::of::<Unpause>(),
    ByGateway::of::<Remove>(),
    ByGateway::of::<List>(),
    ByGateway::of::<Installed>(),
    ByGateway::of::<Gpus>(),
    ByGateway::of::<MyLimits>(),
    ByGateway::of::<Images>(),
    ByGateway::of::<DeleteImage>(),
    ByGateway::of::<Sample>(),
    ByGateway::of::<Leftovers>(),
    ByGateway::of::<Discard>(),
    ByGateway::of::<Overview>(),
    ByGateway::of::<Catalogue>(),
    ByGateway::of::<TakeNotices>(),
    ByGateway::of::<Extend>(),
    ByGateway::of::<ReadEvents>(),
    ByGateway::of::<Leave>(),
    ByGateway::of::<JoinLine>(),
    ByGateway::of::<Queue>(),
    ByGateway::of::<Reserve>(),
    ByGateway::of::<CancelReservation>(),
];

/// The operations that the gateway itself asks for, on behalf of a client of Docker's API.
static DOCKERS: [ByGateway; 3] = [
    ByGateway::of::<DockerCreate>(),
    ByGateway::of::<Rename>(),
    ByGateway::of::<Restart>(),
];

/// Refuses what concerns all users to everybody but root. A caller inside a container is not root,
/// whatever their uid.
fn for_root(caller: Caller, refusal: &str, hint: &str) -> Result<(), Failure> {
    match caller.uid == 0 && caller.may_be_admin {
        true => Ok(()),
        false => Err(fail(Kind::Forbidden, refusal.into(), hint.into())),
    }
}

/// Runs the operation of this name: request and answer as JSON. The gateway's way in.
///
/// # Errors
///
/// The operation's own; status 2 if there is none of this name, or the request is not one of it.
pub fn run(site: &Site, caller: Caller, name: &str, request: &str) -> Result<Value, Failure> {
    let by_gateway = by_gateway(name).ok_or_else(|| {
        let message = format!("DS01 has no operation {name:?}");
        Failure::new(Kind::Usage, message)
    })?;
    (by_gateway.run)(site, caller, request)
}

/// The longest time that an operation may claim: at the gateway it occupies a place that others wait
/// for.
pub const LONGEST: Duration = Duration::from_secs(60 * 60);

/// How long the operation of this name may take with this request, beyond the engine's time limit
/// for a call: an hour at most. Zero if there is no such operation.
pub fn takes(name: &str, request: &str) -> Duration {
    let takes = by_gateway(name).map(|by_gateway| (by_gateway.takes)(request));
    takes.unwrap_or_default().min(LONGEST)
}

/// An operation as the gateway knows it, with its request as JSON.
struct ByGateway {
    name: &'static str,
    run: fn(&Site, Caller, &str) -> Result<Value, Failure>,
    takes: fn(&str) -> Duration,
}

impl ByGateway {
    const fn of<O: Operation>() -> Self {
        Self {
            name: O::NAME,
            run: |site, caller, request| {
                let usage = |error: serde_json::Error| {
                    let message = format!("the operation {} fails: {error}", O::NAME);
                    Failure::new(Kind::Usage, message)
                };
                let operation: O = serde_json::from_str(request).map_err(usage)?;
                serde_json::to_value(crate::answer(site, caller, &operation)?).map_err(usage)
            },
            takes: |request| {
                let operation = serde_json::from_str::<O>(request);
                operation.map_or(Duration::ZERO, |operation| operation.takes())
            },
        }
    }
}

fn by_gateway(name: &str) -> Option<&'static ByGateway> {
    let mut all = COMMANDS.iter().chain(&DOCKERS);
    all.find(|operation| operation.name == name)
}

/// Whether commands ask for an operation of this name; the others are the gateway's own.
pub fn is_for_commands(name: &str) -> bool {
    COMMANDS.iter().any(|operation| operation.name == name)
}

#[cfg(test)]
mod tests {
    use ds01_core::{
        container::ContainerId, gpu_request::GpuRequest, name::ContainerArg, time::Timestamp,
    };
    use serde_json::json;

    use super::*;
    use crate::Operation;

    fn round<O: Operation + std::fmt::Debug + PartialEq>(operation: O, path: &str) {
        assert_eq!(O::NAME, path);
        assert!(is_for_commands(path), "{path}");
        let posted = serde_json::to_value(&operation).unwrap();
        assert_eq!(serde_json::from_value::<O>(posted).unwrap(), operation);
    }

    #[test]
    fn every_operation_can_be_posted_to_a_gateway() {
        let name: ContainerArg = "thesis".parse().unwrap();
        let create = json!({
            "name": "thesis", "image": null, "project": null, "workspace": "/home/a/x",
            "data": null, "gpus": 1, "dry_run": false
        });
        round(serde_json::from_value::<Create>(create).unwrap(), "create");
        let leave = Leave {
            ticket: 7,
            present: true,
        };
        round(leave, "leave");
        round(Queue {}, "queue");
        round(CancelReservation { id: 3 }, "cancel-reservation");
        let reserve = Reserve {
            whom: Party::User("alice".into()),
            what: Wanted::Slots(vec!["0:1".parse().unwrap()]),
            from: Timestamp(1),
            until: Timestamp(2),
            lead: std::time::Duration::from_secs(3600),
        };
        round(reserve, "reserve");
        let join = JoinLine {
            name: None,
            gpus: GpuRequest::any(2),
            launch: false,
        };
        round(join, "join-line");
        round(Start { name: name.clone() }, "start");
        round(Settle { name: name.clone() }, "settle");
        round(
            Admit {
                gpus: GpuRequest::any(2),
            },
            "admit",
        );
        let stop = Stop {
            name: name.clone(),
            grace_seconds: 10,
            kill: false,
        };
        round(stop, "stop");
        round(Describe { name: name.clone() }, "describe");
        round(Pause { name: name.clone() }, "pause");
        round(Unpause { name: name.clone() }, "unpause");
        round(Installed { name: name.clone() }, "installed");
        let sample = Sample {
            name: Some(name.clone()),
            all_users: true,
        };
        round(sample, "sample");
        let extend = Extend {
            name: name.clone(),
            by: std::time::Duration::from_secs(3600),
        };
        round(extend, "extend");
        let leftovers = Leftovers {
            created: true,
            older_than: Some(std::time::Duration::from_secs(90)),
        };
        round(leftovers, "leftovers");
        let discard = Discard {
            name: name.clone(),
            id: ContainerId("0f".into()),
            last_end: "2026-11-05T10:30:00.123456789Z".into(),
        };
        round(discard, "discard");
        let remove = Remove {
            name,
            stop_seconds: Some(10),
            volumes: false,
            image: false,
            dry_run: false,
        };
        round(remove, "remove");
        round(
            List {
                stopped: true,
                all_users: false,
            },
            "list",
        );
        round(Gpus {}, "gpus");
        round(MyLimits::default(), "my-limits");
        round(Images { shared: true }, "images");
        let name = "thesis".into();
        let dry_run = false;
        round(DeleteImage { name, dry_run }, "delete-image");
        round(Overview {}, "overview");
        round(Catalogue {}, "catalogue");
        round(TakeNotices {}, "take-notices");
        let read = json!({ "filter": { "since": 7, "until": null, "types": ["gpu.*"], "user": "alice",
            "container": null }, "after": [{ "file": 1, "offset": 2 }] });
        round(
            serde_json::from_value::<ReadEvents>(read).unwrap(),
            "read-events",
        );
    }

    #[test]
    fn what_waits_for_a_grace_takes_as_long() {
        let request = |seconds: u32| json!({"name": {"name": "thesis"}, "grace_seconds": seconds, "kill": false});
        let takes = |name, seconds| takes(name, &request(seconds).to_string()).as_secs();
        assert_eq!(takes(Stop::NAME, 600), 600);
        assert_eq!(takes(Start::NAME, 600), 0);
        assert_eq!(takes("nothing", 600), 0);
        assert_eq!(super::takes(Stop::NAME, "{}"), Duration::ZERO);
    }

    #[test]
    fn a_name_that_is_none_is_refused_when_it_arrives() {
        assert!(serde_json::from_value::<Start>(json!({"name": {"name": "../x"}})).is_err());
    }
}
