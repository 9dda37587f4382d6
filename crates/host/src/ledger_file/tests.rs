use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use nix::{sys::stat::Mode, unistd::mkfifo};

use super::*;

/// A state directory that is removed at the end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("ds01-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        LedgerFile::new(&dir).init(None).unwrap();
        Self(dir)
    }

    fn ledger(&self) -> LedgerFile {
        LedgerFile::new(&self.0)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ledger_of(stored: &Stored) -> Ledger {
    match stored {
        Stored::Whole(ledger) => Ledger::clone(ledger),
        Stored::Damaged(damage) => panic!("{damage}"),
    }
}

#[test]
fn no_change_is_lost_among_many_writers() {
    let dir = Dir::new("writers");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let file = dir.ledger();
                    let locked = file.lock().unwrap();
                    locked.save(ledger_of(&locked.stored)).unwrap();
                }
            });
        }
    });
    assert_eq!(ledger_of(&dir.ledger().read().unwrap()).generation, 400);
}

#[test]
fn whoever_reads_a_file_that_is_the_spare_by_then_reads_the_ledger_instead() {
    let dir = Dir::new("readers");
    let (path, whole) = (dir.0.join(LEDGER), dir.0.join("whole"));
    fs::rename(&path, &whole).unwrap();
    // Half a ledger comes out of the file that the reader has opened; then another has its name.
    mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(|| dir.ledger().read().unwrap());
        let mut half = OpenOptions::new().write(true).open(&path).unwrap();
        half.write_all(b"{").unwrap();
        fs::rename(&whole, &path).unwrap();
        drop(half);
        assert_eq!(reader.join().unwrap(), Stored::Whole(Arc::default()));
    });
}

#[test]
fn a_link_planted_as_the_spare_leads_nothing_astray() {
    let dir = Dir::new("planted");
    let other = dir.0.join("other");
    let spare = dir.0.join(SPARE);
    for plant in [fs::hard_link::<&Path, &Path>, std::os::unix::fs::symlink] {
        write_new(&other, b"of others").unwrap();
        plant(&other, &spare).unwrap();
        let file = dir.ledger();
        let locked = file.lock().unwrap();
        let before = ledger_of(&locked.stored).generation;
        locked.save(ledger_of(&locked.stored)).unwrap();
        let after = ledger_of(&dir.ledger().read().unwrap()).generation;
        assert_eq!(after, before + 1);
        assert_eq!(fs::read(&other).unwrap(), b"of others");
        fs::remove_file(&spare).unwrap();
    }
}

/// Whether somebody sleeps until this lock is free.
fn is_awaited(lock: &File) -> bool {
    let end = format!(":{} 0 EOF", lock.metadata().unwrap().ino());
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let mut waits = locks.lines().filter(|line| line.contains("-> FLOCK"));
    waits.any(|line| line.ends_with(&end))
}

#[test]
fn who_waits_has_the_lock_before_the_deadline_though_another_takes_it_again_and_again() {
    let dir = Dir::new("again");
    let (over, turns) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let file = dir.ledger();
            while !over.load(Ordering::Relaxed) {
                let locked = file.lock().unwrap();
                locked.save(ledger_of(&locked.stored)).unwrap();
                turns.fetch_add(1, Ordering::Relaxed);
            }
        });
        for number in 1..=20 {
            while turns.load(Ordering::Relaxed) < number * 10 {
                thread::yield_now();
            }
            let waited = dir.ledger().lock().map(drop);
            over.store(waited.is_err() || number == 20, Ordering::Relaxed);
            waited.unwrap();
        }
    });
}

#[test]
fn a_lock_file_that_was_replaced_lets_nobody_in_beside_the_holder() {
    let dir = Dir::new("replaced");
    let file = dir.ledger();
    let old = File::open(dir.0.join(LOCK)).unwrap();
    fs2::FileExt::lock_exclusive(&old).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| file.lock().map(drop));
        while !is_awaited(&old) {
            thread::yield_now();
        }
        fs::remove_file(dir.0.join(LOCK)).unwrap();
        drop(old);
        waiter.join().unwrap().unwrap();
    });
    // Whoever waited holds the new file's lock, or none would exclude the next.
    assert!(dir.0.join(LOCK).exists());
}

#[test]
fn a_state_directory_without_its_ledger_has_lost_it() {
    let dir = Dir::new("lost");
    fs::remove_file(dir.0.join(LEDGER)).unwrap();
    assert_eq!(
        dir.ledger().read().unwrap(),
        Stored::Damaged(Damage::Missing)
    );
    let new = LedgerFile::new(&dir.0.join("none"));
    assert_eq!(new.read().unwrap(), Stored::Whole(Arc::default()));
}
