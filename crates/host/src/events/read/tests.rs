use std::{io::Write, os::unix::fs::symlink, path::PathBuf};

use nix::unistd::mkdtemp;

use super::*;

/// A directory with a log, and somebody who reads it.
struct Reading {
    dir: PathBuf,
    place: Option<Place>,
}

/// Takes so many lines at a time.
struct Taken {
    lines: Vec<String>,
    most: usize,
}

impl Reader for Taken {
    fn line(&mut self, line: &[u8]) -> bool {
        self.lines.push(String::from_utf8_lossy(line).into_owned());
        self.lines.len() < self.most
    }
}

impl Reading {
    fn new() -> Self {
        let dir = mkdtemp(&std::env::temp_dir().join("ds01-read-XXXXXX")).unwrap();
        Self { dir, place: None }
    }

    /// The log, or what was turned away so many turns ago.
    fn file(&self, turn: u32) -> PathBuf {
        match turn {
            0 => self.dir.join(FILE),
            turn => self.dir.join(format!("{FILE}.{turn}")),
        }
    }

    fn append(&self, turn: u32, text: &str) {
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).open(self.file(turn));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn turn(&self) {
        for turn in (0..30).rev() {
            let _ = fs::rename(self.file(turn), self.file(turn + 1));
        }
    }

    fn some(&mut self, most: usize) -> (Vec<String>, bool) {
        let mut taken = Taken {
            lines: Vec::new(),
            most,
        };
        let log = EventLog::new(&self.dir);
        let (place, end) = log.read(self.place.as_ref(), None, &mut taken).unwrap();
        self.place = Some(place);
        (taken.lines, end)
    }

    /// What is new.
    fn new_lines(&mut self) -> Vec<String> {
        let (lines, end) = self.some(usize::MAX);
        assert!(end);
        lines
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn each_line_is_read_once_however_the_log_is_turned() {
    let mut log = Reading::new();
    assert_eq!(log.new_lines(), [""; 0]);
    log.append(0, "a\nb\n");
    assert_eq!(log.new_lines(), ["a", "b"]);
    log.append(0, "c\n");
    log.turn();
    // Somebody had opened it before, and there is no new one yet.
    log.append(1, "d\n");
    assert_eq!(log.new_lines(), ["c", "d"]);
    assert_eq!(log.new_lines(), [""; 0]);
    log.append(1, "e\n");
    log.append(0, "f\n");
    assert_eq!(log.new_lines(), ["e", "f"]);
    // More than one turn between two looks.
    log.turn();
    log.append(0, "g\n");
    log.turn();
    log.append(1, "h\n");
    log.append(0, "i\n");
    log.append(2, "j\n");
    assert_eq!(log.new_lines(), ["j", "g", "h", "i"]);
    // In the middle of one.
    fs::rename(log.file(3), log.file(4)).unwrap();
    fs::rename(log.file(1), log.file(2)).unwrap_or_default();
    log.append(0, "k\n");
    assert_eq!(log.new_lines(), ["k"]);
}

#[test]
fn what_is_kept_is_read_from_the_oldest_and_from_any_place_in_it() {
    let mut log = Reading::new();
    let all: Vec<String> = (0..60).map(|number| number.to_string()).collect();
    for (number, line) in all.iter().enumerate() {
        log.append(0, &format!("{line}\n"));
        if number % 7 == 6 {
            log.turn();
        }
    }
    for most in [1, 2, 5, 7, 8, 59, 60] {
        log.place = None;
        let mut lines = Vec::new();
        loop {
            let (some, end) = log.some(most);
            lines.extend(some);
            if end {
                break;
            }
        }
        assert_eq!(lines, all, "{most} at a time");
    }
}

#[test]
fn a_line_is_read_when_it_is_whole_and_a_torn_end_when_nobody_can_end_it() {
    let mut log = Reading::new();
    log.append(0, "a\nb");
    assert_eq!(log.new_lines(), ["a"]);
    log.append(0, "c\nto");
    assert_eq!(log.new_lines(), ["bc"]);
    for turn in 0..READ_ON {
        log.turn();
        log.append(0, &format!("{turn}\n"));
    }
    let expected: Vec<_> = ["to".to_string()]
        .into_iter()
        .chain((0..READ_ON).map(|turn| turn.to_string()))
        .collect();
    assert_eq!(log.new_lines(), expected);
    assert_eq!(log.new_lines(), [""; 0]);
    // Without end, as a file full of zeros after a power cut.
    let zeros = "\0".repeat(CHUNK + 5);
    log.append(0, &format!("{zeros}\nd\n"));
    let lines = log.new_lines();
    assert_eq!(
        lines.iter().map(String::len).collect::<Vec<_>>(),
        [CHUNK, 5, 1]
    );
}

#[test]
fn a_log_that_was_cut_back_or_taken_away_is_new() {
    let mut log = Reading::new();
    log.append(0, "a\nb\n");
    log.turn();
    log.append(0, "c\nd\n");
    assert_eq!(log.new_lines(), ["a", "b", "c", "d"]);
    fs::write(log.file(0), "e\n").unwrap();
    assert_eq!(log.new_lines(), ["e"]);
    fs::remove_file(log.file(0)).unwrap();
    fs::remove_file(log.file(1)).unwrap();
    assert_eq!(log.new_lines(), [""; 0]);
    // Its number may be that of one before.
    log.append(0, "f\n");
    let lines = log.new_lines();
    assert!(lines == ["f"] || lines.is_empty(), "{lines:?}");
}

#[test]
fn links_folders_and_files_of_long_ago_are_not_read() {
    let mut log = Reading::new();
    log.append(3, "old\n");
    log.append(0, "a\n");
    symlink(log.file(3), log.file(1)).unwrap();
    fs::create_dir(log.file(2)).unwrap();
    assert_eq!(log.new_lines(), ["old", "a"]);
    let file = File::options().append(true).open(log.file(3)).unwrap();
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    file.set_modified(long_ago).unwrap();
    let since = |seconds: u64| {
        let mut taken = Taken {
            lines: Vec::new(),
            most: usize::MAX,
        };
        let reader = EventLog::new(&log.dir);
        reader
            .read(None, Some(Timestamp(seconds)), &mut taken)
            .unwrap();
        taken.lines
    };
    assert_eq!(since(1000 + 24 * 3600), ["old", "a"]);
    assert_eq!(since(1001 + 24 * 3600), ["a"]);
}
