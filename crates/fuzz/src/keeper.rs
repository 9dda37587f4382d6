//! Whatever the half that parses could say, to the half that decides.

use std::{env, fs, path::PathBuf, time::Duration};

use ds01_core::{
    container::ContainerId,
    ledger::{Allocation, Holding, Ledger},
    record::{Record, VERSION},
    time::Timestamp,
};
use ds01_gateway::halves::Keeper;
use ds01_host::{ledger_file::LedgerFile, metadata::Metadata};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    join,
    net::UnixStream,
    runtime::Runtime,
};

use crate::{
    UID, channel,
    engine::{Engine, SECRET, id},
    runtime,
    seeds::NEXT,
};

/// The first byte of inputs that are not put in frames.
const RAW: u8 = 0xff;

/// Says this to the keeper, in several messages if a byte 0x1e is in it. It asks the engine for
/// nothing that is not the user's, and tells nothing about others.
pub fn keeper(bytes: &[u8]) {
    thread_local! {
        static HOST: Host = Host::new();
    }
    if bytes
        .windows(SECRET.len())
        .any(|part| part == SECRET.as_bytes())
    {
        return;
    }
    HOST.with(|host| host.runtime.block_on(host.said(bytes)));
}

/// A host on which the keeper serves.
struct Host {
    runtime: Runtime,
    engine: Engine,
    keeper: Keeper,
    folder: PathBuf,
}

impl Host {
    fn new() -> Self {
        let thread = std::thread::current().id();
        let name = format!("ds01-fuzz-{}-{thread:?}", std::process::id());
        let folder = env::temp_dir().join(name.replace(['(', ')'], ""));
        fs::create_dir_all(&folder).unwrap();
        let (socket, state) = (folder.join("engine.sock"), folder.join("state"));
        let place = folder.display();
        let config = format!(
            "[engine]\nsocket = '{place}/engine.sock'\n[paths]\nconfig = '{place}'\n\
             state = '{place}/state'\nlog = '{place}'\nrun = '{place}'\n\
             [gpu]\nlibrary = '/nonexistent'\n"
        );
        fs::write(folder.join("ds01.toml"), config).unwrap();
        fs::write(folder.join("resource-limits.yaml"), "defaults: {}\n").unwrap();
        let (ledger, records) = (LedgerFile::new(&state), Metadata::new(&state));
        ledger.init(None).unwrap();
        let mut known = Ledger::default();
        for owned in ["mine._.65534", "binds._.65534", "quietotter._.1002"] {
            let allocation = allocation(owned);
            records
                .write(&allocation.container, &record(&allocation))
                .unwrap();
            known.allocations.push(allocation.into());
        }
        ledger.lock().unwrap().save(known).unwrap();
        let runtime = runtime();
        let engine = runtime.block_on(async { Engine::start(&socket) });
        let keeper = Keeper::new(&folder.join("ds01.toml")).unwrap();
        Self {
            runtime,
            engine,
            keeper,
            folder,
        }
    }

    async fn said(&self, bytes: &[u8]) {
        let (parser, channel) = UnixStream::pair().unwrap();
        let (mut client, theirs) = UnixStream::pair().unwrap();
        let [theirs, channel] = [theirs, channel].map(|end| end.into_std().unwrap().into());
        let keeper = self.keeper.serve(UID, UID, theirs, channel);
        let mut answered = Vec::new();
        let (mut told, read, _) = join!(
            talk(parser, bytes),
            client.read_to_end(&mut answered),
            keeper
        );
        read.unwrap();
        assert!(answered.is_empty() || answered.starts_with(b"HTTP/1.1 "));
        told.extend(answered);
        self.engine.check();
        let told = String::from_utf8_lossy(&told);
        assert!(!told.contains(SECRET), "told about another: {told}");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn allocation(owned: &str) -> Allocation {
    Allocation {
        container: owned.parse().unwrap(),
        id: Some(ContainerId(id(owned).into())),
        devices: Vec::new(),
        holding: Holding::Live,
        hold: Some(Duration::from_secs(60)),
        group: String::new(),
        ends: None,
        passed: None,
        late: Vec::new(),
        changed: 0,
    }
}

fn record(of: &Allocation) -> Record {
    let name = of.container.to_string();
    Record {
        version: VERSION,
        id: of.id.clone().unwrap(),
        login: "nobody".into(),
        group: "student".into(),
        slice: String::new(),
        project: String::new(),
        image: "busybox".into(),
        workspace: String::new(),
        binds: Vec::new(),
        mounts: None,
        as_owner: name.starts_with("binds"),
        devices: Vec::new(),
        hold: of.hold,
        extension: None,
        adopted: false,
        found: false,
        kind: None,
        created: Timestamp::default(),
        node: String::new(),
        container: name,
    }
}

/// Says everything, and takes what the keeper answers: all its bytes, and those of the engine
/// that it hands over.
async fn talk(mut channel: UnixStream, bytes: &[u8]) -> Vec<u8> {
    let (mut told, mut messages) = (Vec::new(), Vec::new());
    match bytes.split_first() {
        Some((&RAW, raw)) => messages.push(raw.to_vec()),
        _ => {
            let parts = bytes.split(|byte| *byte == NEXT);
            messages.extend(parts.map(channel::framed));
        }
    }
    for message in messages {
        if channel.write_all(&message).await.is_err() {
            break;
        }
        // An incomplete one is never answered.
        if bytes.first() == Some(&RAW) {
            let _ = channel.shutdown().await;
        }
        let Some(answer) = channel::read(&mut channel).await else {
            break;
        };
        told.extend(answer.to_string().bytes());
        if answer == "Keep" {
            assert!(channel::receive(&channel).await.is_some());
            continue;
        }
        if answer == "Engine" {
            let engine = channel::receive(&channel).await.unwrap();
            let _ = channel::watched(engine).read_to_end(&mut told).await;
            break;
        }
        if answer == "Given" {
            break;
        }
        assert!(answer["Reply"].is_object(), "{answer}");
        match answer["Reply"]["length"].as_u64() {
            Some(length) => {
                let mut body = (&mut channel).take(length);
                assert_eq!(body.read_to_end(&mut told).await.unwrap() as u64, length);
            }
            None => drop(channel.read_to_end(&mut told).await),
        }
        break;
    }
    told
}
