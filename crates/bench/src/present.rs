//! Containers that are there while it is measured: of ours, created, in the ledger.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use ds01_core::{
    container::ContainerId,
    label::{Facts, labels},
    ledger::{Allocation, Holding, Ledger, Mark},
    name::{ContainerName, EngineName},
    time::Timestamp,
};
use ds01_host::{
    clock,
    ledger_file::{LedgerFile, Stored},
};
use ds01_testkit::{TestHost, USERS};
use serde_json::{Value, json};

use crate::{ALL, FEW, Result, raw};

/// How many are of the user who has a few.
const OWN: usize = 5;

/// Creates containers until there are `present`.
pub(crate) fn fill(host: &TestHost, present: usize) -> Result<()> {
    let file = LedgerFile::new(&host.state_dir());
    let locked = file.lock()?;
    let Stored::Whole(ledger) = &locked.stored else {
        return Err("the ledger is not whole".into());
    };
    let mut ledger = Ledger::clone(ledger);
    // By id, as our commands create: for a name the engine reads the image at every list.
    let image = raw::ask(&host.engine().socket(), "GET", "/images/ds01-base/json", "")?;
    for number in ledger.allocations.len()..present {
        let owner = if number < OWN { FEW } else { ALL };
        add(host, &mut ledger, &image["Id"], owner, number)?;
    }
    // As if they had been there for a while: a list begins at the newest.
    let newest = ledger.allocations.last().and_then(|entry| entry.id.clone());
    let created = clock::now();
    ledger.marks = newest.into_iter().map(|id| Mark { id, created }).collect();
    Ok(locked.save(ledger)?)
}

fn add(
    host: &TestHost,
    ledger: &mut Ledger,
    image: &Value,
    owner: &str,
    number: usize,
) -> Result<()> {
    // As the testkit numbers its users.
    let at = USERS
        .iter()
        .position(|user| *user == owner)
        .unwrap_or_default();
    let uid = 20001 + u32::try_from(at)?;
    let project: ContainerName = format!("present-{number}").parse()?;
    let container = EngineName {
        name: project.clone(),
        uid,
    };
    let labels = labels(&Facts {
        container: &container,
        login: owner,
        group: "student",
        slice: &format!("ds01-student-{owner}.slice"),
        project: project.as_ref(),
        image: "ds01-base",
        framework: None,
        workspace: &format!("/home/{owner}/workspace/{project}"),
        data: None,
        devices: &[],
        interface: ("atomic", "ds01"),
        created: Timestamp(0),
    });
    let body = json!({"Image": image, "Labels": labels, "HostConfig": {"Init": true}});
    let path = format!("/containers/create?name={container}");
    let made = raw::ask(&host.engine().socket(), "POST", &path, &body.to_string())?;
    ledger.put(Allocation {
        container,
        id: Some(ContainerId(made["Id"].as_str().unwrap_or_default().into())),
        devices: Vec::new(),
        holding: Holding::Live,
        hold: None,
        group: String::new(),
        ends: None,
        passed: None,
        late: Vec::new(),
        changed: 0,
    });
    Ok(())
}

/// A directory with the ledger and its lock, for everybody to write to.
pub(crate) fn copy_of_state(host: &TestHost) -> Result<String> {
    let copy = shared(&host.root().join("copy"))?;
    for (file, from) in [
        ("ledger.json", "ledger.json"),
        ("ledger.json.new", "ledger.json"),
        ("ledger.json.lock", "ledger.json.lock"),
    ] {
        let to = host.root().join("copy").join(file);
        fs::copy(host.state_dir().join(from), &to)?;
        fs::set_permissions(to, Permissions::from_mode(0o666))?;
    }
    Ok(copy)
}

/// An empty directory for everybody to write to.
pub(crate) fn marks(host: &TestHost) -> Result<String> {
    shared(&host.root().join("marks"))
}

fn shared(dir: &Path) -> Result<String> {
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o777))?;
    Ok(dir.to_string_lossy().into_owned())
}
