//! Who owns which container: the ledger, read again when it has changed.

use std::{
    fs::File,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use ds01_core::{
    container::ContainerId,
    failure::{Failure, Kind},
    ledger::Ledger,
    name::{ContainerArg, EngineName},
    record::Record,
};
use ds01_host::{
    ledger_file::{LedgerFile, Stored},
    metadata::Metadata,
};

/// A container of ours that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) id: ContainerId,
    pub(crate) container: EngineName,
}

/// All of them.
pub(crate) type All = Arc<Vec<Owned>>;

/// Bytes at the beginning of a ledger, with its checksum and its generation.
const HEAD: u64 = 80;

/// Which file was read, and how it begins. The file alone does not tell: two take turns, and the
/// kernel's clock may stand still between three changes.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64, i64, i64),
    head: String,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let is = file.metadata().ok()?;
        let mut head = String::with_capacity(2 * HEAD as usize);
        file.take(HEAD).read_to_string(&mut head).ok()?;
        Some(Self {
            file: (is.dev(), is.ino(), is.ctime(), is.ctime_nsec()),
            head,
        })
    }

    /// Whether it is that of a ledger which was read after it: meanwhile there may be others.
    fn is_of(&self, ledger: &Ledger) -> bool {
        let generation = format!("\"generation\":{},", ledger.generation);
        self.head.contains(&generation)
    }
}

/// The records of one host.
#[derive(Debug)]
pub(crate) struct Records {
    path: PathBuf,
    ledger: LedgerFile,
    metadata: Metadata,
    known: Mutex<Option<(Stamp, All)>>,
}

impl Records {
    pub(crate) fn new(state: &Path) -> Self {
        Self {
            path: state.join("ledger.json"),
            ledger: LedgerFile::new(state),
            metadata: Metadata::new(state),
            known: Mutex::new(None),
        }
    }

    /// All containers of ours.
    ///
    /// # Errors
    ///
    /// If the state cannot be read: nobody owns anything by doubt.
    pub(crate) fn all(&self) -> Result<All, Failure> {
        let mut stamp = Stamp::of(&self.path);
        let mut known = self
            .known
            .lock()
            .map_err(|_| Failure::new(Kind::Failed, "the records were left locked"))?;
        if let (Some(stamp), Some((read, all))) = (&stamp, &*known)
            && read == stamp
        {
            return Ok(Arc::clone(all));
        }
        let all: Vec<Owned> = match self.ledger.read()? {
            Stored::Whole(ledger) => {
                stamp = stamp.filter(|stamp| stamp.is_of(&ledger));
                let entries = ledger.entries();
                let owned = entries.filter_map(|entry| {
                    Some(Owned {
                        id: entry.id.clone()?,
                        container: entry.container.clone(),
                    })
                });
                owned.collect()
            }
            Stored::Damaged(_) => {
                let owned = self.metadata.read_all()?.into_iter().filter_map(|record| {
                    let container = record.container.parse().ok()?;
                    Some(Owned {
                        id: record.id,
                        container,
                    })
                });
                owned.collect()
            }
        };
        let all = Arc::new(all);
        *known = stamp.map(|stamp| (stamp, Arc::clone(&all)));
        Ok(all)
    }

    /// What is kept about a container.
    pub(crate) fn record(&self, owned: &Owned) -> Option<Record> {
        let record = self.metadata.read(&owned.container)?;
        (record.id == owned.id).then_some(record)
    }
}

/// The container that `uid` means by `text`: by its id, its name, or the beginning of its id, as
/// Docker looks. `admin` may mean anybody's, by id or the engine's name.
pub(crate) fn meant<'a>(all: &'a [Owned], uid: u32, admin: bool, text: &str) -> Option<&'a Owned> {
    let text = text.strip_prefix('/').unwrap_or(text);
    let mut mine = all.iter().filter(|o| admin || o.container.uid == uid);
    if let Some(found) = mine.clone().find(|owned| owned.id.0 == text) {
        return Some(found);
    }
    if let Ok(arg) = text.parse::<ContainerArg>() {
        let container = EngineName {
            name: arg.name,
            uid: arg.uid.unwrap_or(uid),
        };
        if let Some(found) = mine.clone().find(|owned| owned.container == container) {
            return Some(found);
        }
    }
    let begins = |owned: &&Owned| !text.is_empty() && owned.id.0.starts_with(text);
    let first = mine.find(begins)?;
    mine.find(begins).is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use ds01_core::ledger::{Allocation, Holding};
    use nix::{
        mount::{MsFlags, mount},
        sched::{CloneFlags, unshare},
        unistd::mkdtemp,
    };

    use super::*;

    fn entry(number: u32) -> Allocation {
        Allocation {
            container: format!("c{number}._.1001").parse().unwrap(),
            id: Some(ContainerId(format!("{number:08x}"))),
            devices: Vec::new(),
            holding: Holding::Live,
            hold: None,
            group: String::new(),
            ends: None,
            passed: None,
            late: Vec::new(),
            changed: 0,
        }
    }

    /// On a file system whose times are the clock's ticks, as all are before kernel 6.13.
    #[test]
    fn what_was_just_made_is_known_however_fast_the_ledger_changes() {
        let folder = mkdtemp(&std::env::temp_dir().join("ds01-records-XXXXXX")).unwrap();
        let all_known = thread::scope(|scope| {
            let alone = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNS).unwrap();
                let (none, own) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
                mount(none, "/", none, own, none).unwrap();
                mount(none, &folder, Some("ramfs"), MsFlags::empty(), none).unwrap();
                let state = folder.join("state");
                let file = LedgerFile::new(&state);
                file.init(None).unwrap();
                let records = Records::new(&state);
                (1..100).all(|number| {
                    let (mut ledger, locked) = (Ledger::default(), file.lock().unwrap());
                    if let Stored::Whole(known) = &locked.stored {
                        ledger = Ledger::clone(known);
                    }
                    locked.save(ledger.clone()).unwrap();
                    ledger.generation += 1;
                    ledger.put(entry(number));
                    locked.save(ledger).unwrap();
                    records.all().unwrap().len() == number as usize
                })
            });
            alone.join().unwrap()
        });
        std::fs::remove_dir(&folder).unwrap();
        assert!(all_known);
    }

    #[test]
    fn a_container_is_meant_by_id_name_or_beginning_and_only_by_its_owner() {
        let owned = |id: &str, name: &str| Owned {
            id: ContainerId(id.into()),
            container: name.parse().unwrap(),
        };
        let all = [
            owned("aa11", "thesis._.1001"),
            owned("aa22", "thesis._.1002"),
            owned("bb33", "aa11._.1001"),
            owned("bc44", "c._.1001"),
        ];
        let id = |uid, admin, text| meant(&all, uid, admin, text).map(|owned| owned.id.0.as_str());
        assert_eq!(id(1001, false, "thesis"), Some("aa11"));
        assert_eq!(id(1001, false, "/Thesis"), Some("aa11"));
        assert_eq!(id(1002, false, "thesis"), Some("aa22"));
        // An id goes before a name that is equal to it.
        assert_eq!(id(1001, false, "aa11"), Some("aa11"));
        assert_eq!(id(1001, false, "aa"), Some("aa11"));
        assert_eq!(id(1001, false, "b"), None, "two begin so");
        for hidden in ["aa22", "thesis._.1002", "aa2", ""] {
            assert_eq!(id(1001, false, hidden), None, "{hidden}");
        }
        assert_eq!(id(1001, true, "thesis._.1002"), Some("aa22"));
    }
}
