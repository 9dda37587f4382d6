use super::*;
use crate::{
    device::tests::whole,
    ledger::{
        Holding,
        tests::{entry, ledger},
    },
};

fn stored() -> Vec<u8> {
    let ledger = ledger(&[
        entry("a._.1", &[], Holding::Live),
        entry("b._.1", &[whole(0)], Holding::Released),
    ]);
    write(ledger, None).unwrap().text.into_bytes()
}

#[test]
fn what_was_written_is_read() {
    let stored = stored();
    let ledger = Ledger::clone(&read(&stored, None).unwrap().ledger);
    assert_eq!((ledger.generation, ledger.allocations.len()), (10, 2));
    assert_eq!(write(ledger, None).unwrap().text.into_bytes(), stored);
}

#[test]
fn what_stays_is_shared_and_the_text_is_the_same_as_anew() {
    let names = ["a._.1", "b._.1", "c._.1", "d._.1", "e._.1"];
    let holding = |name: &&str| entry(name, &[whole(0)], Holding::Live);
    let known = write(ledger(&names.each_ref().map(holding)), None).unwrap();
    let mut ledger = Ledger::clone(&known.ledger);
    ledger.remove(&"a._.1".parse().unwrap());
    ledger.change(&"c._.1".parse().unwrap(), |c| c.holding = Holding::Released);
    ledger.put(entry("d._.1", &[], Holding::Live));
    ledger.put(entry("new._.2", &[whole(1)], Holding::Live));
    let anew = write(ledger.clone(), None).unwrap();
    let written = write(ledger, Some(&known)).unwrap();
    let bytes = anew.text.as_bytes();
    let shared = |known: &Known, other: &Known| -> Vec<_> {
        let other = &other.ledger.allocations;
        let is_there = |a: &&Arc<_>| other.iter().any(|b| Arc::ptr_eq(a, b));
        let shared = known.ledger.allocations.iter().filter(is_there);
        shared.map(|a| a.container.to_string()).collect()
    };
    for again in [read(bytes, None), read(bytes, Some(&known)), Ok(written)] {
        let again = again.unwrap();
        assert_eq!(again.text, anew.text);
        assert_eq!(again.lines, anew.lines);
        assert_eq!(again.ledger, anew.ledger);
    }
    assert_eq!(
        shared(&known, &read(bytes, Some(&known)).unwrap()),
        ["b._.1", "e._.1"]
    );
}

#[test]
fn a_line_is_written_as_it_was_known() {
    let mut known = write(
        ledger(&[
            entry("a._.1", &[], Holding::Live),
            entry("b._.1", &[], Holding::Live),
        ]),
        None,
    )
    .unwrap();
    known.text = known.text.replace(r#""id":"b._.1""#, r#""id":"known""#);
    let mut ledger = Ledger::clone(&known.ledger);
    ledger.change(&"a._.1".parse().unwrap(), |a| a.id = None);
    let text = write(ledger, Some(&known)).unwrap().text;
    assert!(text.contains(r#""id":null"#) && text.contains(r#""id":"known""#));
}

#[test]
fn lines_that_are_no_json_or_come_beside_others_are_refused() {
    let text = String::from_utf8(stored()).unwrap();
    let json = Envelope::of(&text).unwrap().ledger;
    let a = json.lines().nth(1).unwrap().trim_end_matches(',');
    for (from, to) in [
        ("\"allocations\":[\n", "\"more\":[\n"),
        (",\n", "\n"),
        ("}\n]", "},\n]"),
        (
            "\"allocations\":[",
            &format!("\"allocations\":[{a}],\"allocations\":["),
        ),
    ] {
        let other = json.replacen(from, to, 1);
        assert_ne!(other, json);
        let sum = checksum(other.as_bytes());
        let text = format!("{{\"version\":2,\"crc32\":\"{sum}\",\"ledger\":{other}}}\n");
        let read = read(text.as_bytes(), None);
        assert!(matches!(read, Err(Damage::Foreign(_))), "{other}: {read:?}");
    }
}

#[test]
fn a_ledger_of_the_release_without_a_waiting_line_is_read() {
    let ledger = r#"{"generation":7,"grants_after":null,"allocations":[{"container":"a._.1","id":"x","devices":[],"holding":"live","hold":null,"changed":7}],"unmanaged":[],"marks":[],"recent":[]}"#;
    let sum = checksum(ledger.as_bytes());
    let text = format!("{{\"version\":1,\"crc32\":\"{sum}\",\"ledger\":{ledger}}}\n");
    let read = read(text.as_bytes(), None).unwrap().ledger;
    assert_eq!((read.generation, &read.line), (7, &Default::default()));
    assert_eq!(read.allocations.len(), 1);
}

#[test]
fn a_ledger_of_a_release_that_knows_more_is_told_apart_from_a_torn_one() {
    let text = String::from_utf8(stored()).unwrap();
    let ledger = Envelope::of(&text).unwrap().ledger;
    let more = ledger.replacen('{', r#"{"news":[],"#, 1);
    let sum = checksum(more.as_bytes());
    let text = format!("{{\"version\":2,\"crc32\":\"{sum}\",\"ledger\":{more}}}\n");
    let why = read(text.as_bytes(), None).unwrap_err().to_string();
    let expected = "another release of DS01 wrote it: unknown field `news`, expected one of ";
    assert!(why.starts_with(expected), "{why}");
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let whole = stored();
    for at in 0..whole.len() - 1 {
        assert!(read(&whole[..at], None).is_err(), "cut at {at}");
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            assert!(read(&flipped, None).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn empty_zeroed_and_future_files_are_told_apart() {
    let damage = |bytes: &[u8]| read(bytes, None).err();
    assert_eq!(damage(b""), Some(Damage::Empty));
    assert_eq!(damage(&[0; 4096]), Some(Damage::Empty));
    assert_eq!(
        damage(br#"{"version":3,"anything":[]}"#),
        Some(Damage::Version(3))
    );
}
