//! Who holds what, by the engine's own word and that of the hook: never by what DS01 wrote.

use std::collections::{BTreeMap, BTreeSet};

use ds01_testkit::TestHost;

/// A container that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Container {
    /// Its id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Docker's word for its state.
    pub(crate) state: String,
    /// The devices that it asks for.
    pub(crate) devices: Vec<String>,
}

impl Container {
    /// The uid that its processes have.
    pub(crate) fn uid(&self) -> &str {
        self.name.rsplit_once("._.").unwrap_or_default().1
    }
}

/// All containers that existed at one moment and a little later still did.
pub(crate) fn containers(host: &TestHost) -> Vec<Container> {
    let ids = host.docker(&["ps", "-aq", "--no-trunc"]).ok();
    if ids.is_empty() {
        return Vec::new();
    }
    let format = "{{.Id}} {{.Name}} {{.State.Status}}\
                  {{range .HostConfig.DeviceRequests}}{{range .DeviceIDs}} {{.}}{{end}}{{end}}";
    let mut args = vec!["inspect", "--type", "container", "--format", format];
    args.extend(ids.lines());
    // Those that have gone meanwhile are complained of; the others are printed all the same.
    let inspected = host.docker(&args).stdout;
    let container = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        let mut word = || words.next().unwrap();
        let (id, name, state) = (word(), word(), word());
        let name = name.trim_start_matches('/').into();
        Container {
            id,
            name,
            state,
            devices: words.collect(),
        }
    };
    inspected
        .lines()
        .filter(|line| !line.is_empty())
        .map(container)
        .collect()
}

/// Fails if two containers have one device, or a container has one that cannot be given.
pub(crate) fn assert_no_device_twice<'a>(
    host: &TestHost,
    containers: impl IntoIterator<Item = &'a Container>,
) {
    let exist: BTreeSet<_> = host.gpus().uuids().into_iter().collect();
    let mut holders = BTreeMap::new();
    for container in containers {
        for device in &container.devices {
            assert!(
                exist.contains(device),
                "{container:?} has what is no device"
            );
            if let Some(other) = holders.insert(device, container) {
                panic!("{device} is held by {other:?} and {container:?}");
            }
        }
    }
}

/// Fails if two containers that were started had one device at a time. `events` are Docker's of
/// creation and destruction: `<nanoseconds> <create|destroy> <id>`. How many were looked at.
pub(crate) fn assert_never_given_twice(host: &TestHost, events: &str) -> usize {
    let mut lives: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for event in events.lines() {
        let [time, what, id] = event.split(' ').collect::<Vec<_>>()[..] else {
            panic!("an event of another form: {event}");
        };
        let time = time.parse().unwrap();
        let life = lives.entry(id).or_insert((0, u64::MAX));
        *(if what == "create" {
            &mut life.0
        } else {
            &mut life.1
        }) = time;
    }
    let mut given: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    for start in host.gpus().given() {
        for device in start.devices {
            let spans = given.entry(device).or_default();
            // One that was started twice had it all the time.
            if !spans.contains(&lives[&*start.id]) {
                spans.push(lives[&*start.id]);
            }
        }
    }
    for (device, spans) in &mut given {
        spans.sort_unstable();
        for pair in spans.windows(2) {
            assert!(
                pair[0].1 < pair[1].0,
                "{device} was given twice at a time: {pair:?}"
            );
        }
    }
    given.values().map(Vec::len).sum()
}
