//! The records: the proof of whose each container is.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use ds01_core::{container::Sighting, label, record::Record};
use nix::libc;

use super::{Finding, ledger::Facts, or_ok, quoted};
use crate::metadata::is_of_gone;

const CHECK: &str = "records";

/// Bytes of a record, at most: ours have a few hundred.
const LONGEST: u64 = 1 << 20;

/// The records in `dir`, and the files that should be some. One that is being written is none yet.
pub(super) fn read(dir: &Path) -> io::Result<Vec<(PathBuf, Option<Record>)>> {
    let files = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files?,
    };
    let mut all = Vec::new();
    for file in files {
        let file = file?;
        if file.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = file.path();
        match read_one(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => {
                let record = read
                    .ok()
                    .and_then(|text| serde_json::from_slice(&text).ok());
                all.push((path, record));
            }
        }
    }
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(all)
}

/// Reads a file that may have been planted: no link is followed, no pipe waited for.
fn read_one(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("no plain file"));
    }
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

pub(super) fn unreadable(error: &io::Error) -> Finding {
    Finding::wrong(CHECK, format!("they cannot be read: {error}"))
}

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let files = facts.records.iter();
    let mut findings: Vec<_> = files
        .filter_map(|(path, record)| match record {
            Some(record) => of_none(facts, path, record),
            None => Some(no_record(facts, path)),
        })
        .collect();
    findings.extend(facts.containers.iter().filter_map(|c| unproved(facts, c)));
    let sound = "every container of DS01 has its record";
    or_ok(findings, CHECK, sound)
}

fn no_record(facts: &Facts<'_>, path: &Path) -> Finding {
    let (docker, typed) = (facts.docker, quoted(path));
    Finding::wrong(CHECK, format!("{} is no record", path.display()))
        .because("whose container that is cannot be proved")
        .mend(format!(
            "once there is no such container in {docker} ps -a: rm {typed}"
        ))
}

/// A record of a container that is gone, or has another name.
fn of_none(facts: &Facts<'_>, path: &Path, record: &Record) -> Option<Finding> {
    let shown = path.display();
    let was = &record.container;
    match facts.container(&record.id) {
        Some(Sighting { name, .. }) if name == was => None,
        Some(Sighting { name, .. }) => {
            let [from, to] = [name, was].map(|name| quoted(Path::new(name)));
            let what = format!("{shown} is the record of {name}, that was {was}");
            let finding = Finding::wrong(CHECK, what)
                .because("somebody renamed it past DS01, perhaps to another owner")
                .mend(format!("{} rename {from} {to}", facts.docker));
            Some(finding)
        }
        // Its entry is told of, and dropped together with it.
        None if facts.is_in_ledger(&record.id) => None,
        // Kept for a while, as it was put aside for that.
        None if is_of_gone(path) => None,
        None => {
            let what = format!("{shown} is the record of a container that is gone");
            let finding = Finding::warning(CHECK, what)
                .because("it proves nothing any more")
                .mend(format!("rm {}", quoted(path)));
            Some(finding)
        }
    }
}

/// A container that says it is DS01's. One with devices is told of as a holder.
fn unproved(facts: &Facts<'_>, container: &Sighting) -> Option<Finding> {
    let Sighting {
        id, name, labels, ..
    } = container;
    let labelled = labels.get(label::MANAGED).is_some_and(|v| v == "true");
    let mut records = facts.records.iter().flat_map(|(_, record)| record);
    let recorded = records.any(|record| record.id == *id);
    let ledger = facts.ledger;
    let awaited = ledger.entries().any(|a| a.awaits(container));
    let holder = ledger.unmanaged.iter().any(|other| other.id == *id);
    (labelled && !recorded && !awaited && !holder).then(|| {
        let what = format!("{name} is labelled as DS01's, and has no record");
        Finding::warning(CHECK, what)
            .because("whose it is cannot be proved once the ledger is lost: labels prove nothing")
            .mend(format!("if nobody needs it: {}", facts.removal(container)))
    })
}
