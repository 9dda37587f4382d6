//! The ledger's file, as its format is documented and not as the commands read it.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::{OrFail, TestHost, fail};

/// The file of the ledger, to be looked at and damaged.
pub struct Ledger<'h>(pub(crate) &'h TestHost);

impl Ledger<'_> {
    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.0.state_dir().join("ledger.json")
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).or_fail("read the ledger")
    }

    /// Writes these bytes in its place; its owner and mode stay.
    pub fn set(&self, bytes: &[u8]) {
        fs::write(self.path(), bytes).or_fail("write the ledger");
    }

    /// What it says: it must be whole, of version 2, and its checksum right.
    #[track_caller]
    pub fn read(&self) -> Value {
        let text = String::from_utf8(self.bytes()).or_fail("read the ledger as text");
        let envelope: Value = serde_json::from_str(&text).or_fail("parse the ledger");
        let within = text
            .split_once(r#""ledger":"#)
            .and_then(|(_, rest)| rest.trim_end().strip_suffix('}'));
        let sum = crc32(within.unwrap_or_default().as_bytes());
        if envelope["version"] != 2 || envelope["crc32"] != format!("{sum:08x}") {
            fail(format_args!("the ledger is not whole: {text}"));
        }
        envelope["ledger"].clone()
    }

    /// Changes what it says, as a whole ledger.
    pub fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut ledger = self.read();
        change(&mut ledger);
        let ledger = ledger.to_string();
        let sum = crc32(ledger.as_bytes());
        let text = format!("{{\"version\":2,\"crc32\":\"{sum:08x}\",\"ledger\":{ledger}}}\n");
        self.set(text.as_bytes());
    }
}

/// The checksum of zip and Ethernet, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
            1 => (crc >> 1) ^ 0xedb8_8320,
            _ => crc >> 1,
        })
    });
    !crc
}
