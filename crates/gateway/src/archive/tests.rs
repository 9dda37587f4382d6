use super::*;

const GOOD: &str = "FROM ds01-base\n";
const EVIL: &str = "FROM ds01-20002/model\n";

/// An entry as somebody could write it.
fn entry(kind: u8, path: &str, link: &str, data: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_mut_bytes()[156] = kind;
    header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_size(data.len() as u64);
    header.set_mode(0o640);
    header.set_uid(1000);
    header.set_gid(2000);
    header.set_mtime(1_700_000_000);
    header.set_cksum();
    let mut entry = [header.as_bytes(), data].concat();
    entry.resize(entry.len().next_multiple_of(BLOCK), 0);
    entry
}

fn file(path: &str, text: &str) -> Vec<u8> {
    entry(b'0', path, "", text.as_bytes())
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut text = String::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len();
        while format!("{length}{rest}").len() != length {
            length += 1;
        }
        text += &format!("{length}{rest}");
    }
    entry(b'x', "x", "", text.as_bytes())
}

/// What is made of these entries: the archive without the Dockerfile, and its text.
fn anew_at(
    path: &str,
    entries: &[Vec<u8>],
    at_a_time: usize,
) -> io::Result<(Vec<u8>, Option<String>)> {
    let mut anew = Anew::new(Vec::new(), &dockerfile_path(path)?);
    let bytes = [&entries.concat()[..], &[0; 2 * BLOCK]].concat();
    for part in bytes.chunks(at_a_time) {
        anew.write_all(part)?;
    }
    anew.end()
}

fn anew(entries: &[Vec<u8>]) -> io::Result<(Vec<u8>, Option<String>)> {
    anew_at("Dockerfile", entries, 1 << 20)
}

/// The entries of an archive, as another reader finds them.
fn read(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut data = String::new();
        io::Read::read_to_string(&mut entry, &mut data).unwrap();
        let link = entry.link_name_bytes().unwrap_or_default().into_owned();
        let header = entry.header();
        format!(
            "{:?} {} {:o} {}:{} {} {:?} {data:?}",
            header.entry_type(),
            String::from_utf8_lossy(&entry.path_bytes()),
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
            header.mtime().unwrap(),
            String::from_utf8(link).unwrap(),
        )
    });
    entries.collect()
}

#[test]
fn a_plain_archive_stays_what_it_is() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    let of_pax = format!("p/{}", "q".repeat(300));
    let target = "t".repeat(150);
    let entries = [
        entry(b'g', "pax_global_header", "", b"18 comment=abcdef\n"),
        entry(b'5', "./", "", b""),
        entry(b'5', "sub/", "", b""),
        entry(b'0', "./sub//a", "", &[b'a'; 700]),
        file("sub/Dockerfile", "another"),
        file("Dockerfile", GOOD),
        entry(b'2', "link", "../sub/./a", b""),
        entry(b'1', "hard", "./sub/a", b""),
        entry(b'6', "pipe", "", b""),
        entry(b'L', "././@LongLink", "", format!("{long}\0").as_bytes()),
        file(&long[..100], "long"),
        entry(b'K', "././@LongLink", "", format!("{target}\0").as_bytes()),
        entry(b'2', "far", "cut", b""),
        pax(&[
            ("path", &of_pax),
            ("mtime", "1600000000.25"),
            ("uid", "3000000"),
            ("size", "4"),
        ]),
        file("cut", "pax!"),
        entry(0, "old/", "", b""),
        file("/rooted", ""),
    ];
    let a = "a".repeat(700);
    let common = "640 1000:2000 1700000000";
    let expected = [
        format!("Directory sub/ {common} \"\" \"\""),
        format!("Regular sub/a {common} \"\" {a:?}"),
        format!("Regular sub/Dockerfile {common} \"\" \"another\""),
        format!("Symlink link {common} \"../sub/./a\" \"\""),
        format!("Link hard {common} \"sub/a\" \"\""),
        format!("Regular {long} {common} \"\" \"long\""),
        format!("Symlink far {common} {target:?} \"\""),
        format!("Regular {of_pax} 640 3000000:2000 1600000000 \"\" \"pax!\""),
        format!("Directory old/ {common} \"\" \"\""),
        format!("Regular rooted {common} \"\" \"\""),
    ];
    for at_a_time in [1, 7, 512, 513, 1 << 20] {
        let (archive, text) = anew_at("", &entries, at_a_time).unwrap();
        assert_eq!(text.as_deref(), Some(GOOD));
        assert_eq!(read(&archive), expected, "{at_a_time}");
        assert_eq!(archive.len() % BLOCK, 0);
        let kinds = archive
            .chunks(BLOCK)
            .filter(|block| block.get(257..262) == Some(b"ustar"));
        assert!(
            kinds
                .into_iter()
                .all(|block| b"0125LK".contains(&block[156]))
        );
    }
}

#[test]
fn there_is_one_dockerfile() {
    let good = || file("Dockerfile", GOOD);
    let evil = |path: &str| file(path, EVIL);
    let folder = |path: &str| entry(b'5', path, "", b"");
    let link = |path: &str, to: &str| entry(b'2', path, to, b"");
    let sparse = pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.name", "Dockerfile")]);
    for (entries, why) in [
        (
            vec![good(), evil("Dockerfile")],
            "Dockerfile is in it twice",
        ),
        (
            vec![good(), evil("./x/../Dockerfile")],
            "Dockerfile is in it twice",
        ),
        (
            vec![good(), evil("Dockerfile/.")],
            "Dockerfile is in it twice",
        ),
        (
            vec![good(), evil("Dockerfile/x/..")],
            "Dockerfile is in it twice",
        ),
        (
            vec![good(), evil("/Dockerfile")],
            "Dockerfile is in it twice",
        ),
        (
            vec![good(), pax(&[("path", "Dockerfile")]), evil("x")],
            "Dockerfile is in it twice",
        ),
        (
            vec![good(), entry(b'7', "Dockerfile", "", b"")],
            "Dockerfile is in it twice",
        ),
        (
            vec![good(), sparse, evil("x")],
            "it has a sparse file; pack it without --sparse",
        ),
        (
            vec![good(), entry(b'S', "x", "", b"")],
            "it has a sparse file; pack it without --sparse",
        ),
        (
            vec![good(), link("Dockerfile", "x")],
            "Dockerfile is no file, or too long",
        ),
        (
            vec![link("Dockerfile", "x"), good()],
            "Dockerfile is no file, or too long",
        ),
        (
            vec![entry(b'1', "Dockerfile", "x", b"")],
            "Dockerfile is no file, or too long",
        ),
        (
            vec![entry(b'6', "Dockerfile", "", b"")],
            "Dockerfile is no file, or too long",
        ),
        (
            vec![good(), folder("Dockerfile")],
            "Dockerfile is no file, or too long",
        ),
        (
            vec![good(), evil("Dockerfile/x")],
            "Dockerfile/x is in the way of Dockerfile",
        ),
        (
            vec![good(), link("d", "."), evil("d/Dockerfile")],
            "d/Dockerfile is in a link",
        ),
        (
            vec![good(), link("d", "."), folder("d/Dockerfile")],
            "d/Dockerfile is in a link",
        ),
        (
            vec![
                good(),
                link("d", "."),
                entry(b'1', "e", "d", b""),
                evil("e/Dockerfile"),
            ],
            "e/Dockerfile is in a link",
        ),
        (vec![evil("../Dockerfile")], "../Dockerfile leads out of it"),
        (vec![evil("a/../../b")], "a/../../b leads out of it"),
        (vec![entry(b'1', "x", "../y", b"")], "../y leads out of it"),
        (vec![entry(b'2', "x", "", b"")], "x links to nothing"),
        (vec![evil(".")], "it has a file without a name"),
        (
            vec![entry(b'3', "null", "", b"")],
            "null is neither file, folder nor link",
        ),
        (
            vec![entry(b'4', "sda", "", b"")],
            "sda is neither file, folder nor link",
        ),
        (
            vec![entry(b'Z', "x", "", b"")],
            "x is neither file, folder nor link",
        ),
        (
            vec![pax(&[("path", "a\0b")]), evil("x")],
            "it has a name that is too long, or is none",
        ),
        (
            vec![pax(&[("path", "a")])],
            "it ends with a name of no file",
        ),
        (
            vec![pax(&[("path", "a")]), pax(&[("path", "b")])],
            "it has two names for a file",
        ),
        (
            vec![entry(b'x', "x", "", b"99 path=a\n")],
            "what it says about a file cannot be read",
        ),
        (vec![vec![b'x'; BLOCK]], ""),
        (vec![vec![7; BLOCK]], ""),
    ] {
        let said = anew(&entries)
            .map(|(archive, _)| read(&archive))
            .unwrap_err();
        assert!(said.to_string().contains(why), "{said}, not {why}");
    }
    // The engine's way out, to a file of another name, is never taken: the named one is there, or
    // nothing is built.
    let (archive, text) = anew(&[file("a/Dockerfile", GOOD), evil("dockerfile")]).unwrap();
    assert_eq!((text, read(&archive).len()), (None, 2));
    // Where it is in a folder, that has to be one.
    let at = |entries: &[Vec<u8>]| anew_at("./docker//x/../app.Dockerfile", entries, 512);
    let app = || file("docker/app.Dockerfile", GOOD);
    let (archive, text) = at(&[folder("docker"), app(), good()]).unwrap();
    assert_eq!((text.as_deref(), read(&archive).len()), (Some(GOOD), 2));
    for entry in [
        link("docker", "x"),
        evil("docker"),
        entry(b'6', "docker", "", b""),
    ] {
        let said = at(&[app(), entry]).unwrap_err();
        assert_eq!(
            said.to_string(),
            "docker is in the way of docker/app.Dockerfile"
        );
    }
}

#[test]
fn what_is_too_long_is_refused_before_it_is_read() {
    for kind in *b"LKxg" {
        let mut long = entry(kind, "x", "", b"");
        let header: &mut [u8; BLOCK] = (&mut long[..]).try_into().unwrap();
        let mut changed = Header::from_byte_slice(header).clone();
        changed.set_size(LONGEST_EXTENSION + 1);
        changed.set_cksum();
        let mut anew = Anew::new(io::sink(), "Dockerfile");
        let said = anew.write_all(changed.as_bytes()).unwrap_err();
        assert_eq!(said.to_string(), "it has a name that is too long");
        assert!(anew.write_all(&[0]).is_err());
    }
    let long = "a/".repeat(LONGEST_EXTENSION as usize / 2 - 1);
    let said = anew(&[entry(b'L', "x", "", long.as_bytes()), file("x", "")]).unwrap_err();
    assert_eq!(
        said.to_string(),
        "it has a name that is too long, or is none"
    );
    let text = "#".repeat(LONGEST_DOCKERFILE as usize + 1);
    let said = anew(&[file("Dockerfile", &text)]).unwrap_err();
    assert_eq!(said.to_string(), "Dockerfile is no file, or too long");
    // A size that only one reader would believe.
    let said = anew(&[pax(&[("size", "-1")]), file("x", "")]).unwrap_err();
    assert_eq!(said.to_string(), "a file's size is no number");
    let said = anew(&[pax(&[("size", "99999999999999")]), file("x", "")]).unwrap_err();
    assert_eq!(said.kind(), io::ErrorKind::FileTooLarge);
    let half = entry(b'0', "x", "", &[1; 600]);
    let mut anew = Anew::new(Vec::new(), "Dockerfile");
    anew.write_all(&half[..700]).unwrap();
    assert_eq!(
        anew.end().unwrap_err().to_string(),
        "it ends in the middle of a file"
    );
}

#[test]
fn the_name_of_a_dockerfile_does_not_make_an_archive_look_packed() {
    for (named, path) in [
        ("", "Dockerfile"),
        ("Dockerfile", "Dockerfile"),
        ("./a/../b.dockerfile", "b.dockerfile"),
        ("/Dockerfile", "Dockerfile"),
        (".ci/Dockerfile", ".ci/Dockerfile"),
        ("_x", "_x"),
    ] {
        assert_eq!(dockerfile_path(named).unwrap(), path);
    }
    for named in [
        "BZh9",
        "./BZh",
        "\u{fd}7zXZ",
        "\u{1f}\u{8b}",
        "(\u{b5}/\u{fd}",
        "P*M\u{18}",
        "-",
        "..",
        "../Dockerfile",
        ".",
        "a\0b",
        "a\nb",
    ] {
        assert!(dockerfile_path(named).is_err(), "{named:?}");
    }
}

#[test]
fn the_keepers_dockerfile_is_what_an_archive_begins_with() {
    let long = format!("{}/Dockerfile", "d".repeat(150));
    for path in ["Dockerfile", &long] {
        for text in ["", GOOD, &"#".repeat(512), &"#".repeat(513)] {
            let (rest, _) = anew(&[file("Dockerfile", GOOD), file("a", "b")]).unwrap();
            let entry = dockerfile_entry(path, text);
            assert!(entry.starts_with(b"Dockerfile\0") || entry.starts_with(b"././@LongLink\0"));
            let archive = [entry, rest].concat();
            let expected = [
                format!("Regular {path} 644 0:0 0 \"\" {text:?}"),
                "Regular a 640 1000:2000 1700000000 \"\" \"b\"".into(),
            ];
            assert_eq!(read(&archive), expected);
        }
    }
}

#[test]
fn an_image_has_no_dockerfile_no_pipe_and_no_device() {
    let image = |entries: &[Vec<u8>]| {
        let mut anew = Anew::new(Vec::new(), "");
        anew.write_all(&[&entries.concat()[..], &[0; 2 * BLOCK]].concat())?;
        anew.end()
    };
    let (archive, text) = image(&[
        entry(b'5', "./", "", b""),
        file("Dockerfile", "FROM x"),
        file("etc/group", ""),
        entry(b'6', "etc/passwd", "", b""),
    ])
    .unwrap();
    assert_eq!(text, None);
    let whole = [&root_entry()[..], &archive].concat();
    let mut names = tar::Archive::new(&whole[..]);
    let names = names.entries().unwrap().map(|entry| {
        let path = entry.unwrap().path().unwrap().into_owned();
        path.to_string_lossy().into_owned()
    });
    let names: Vec<_> = names.collect();
    assert_eq!(names, ["./", "Dockerfile", "etc/group"]);
    for kind in [b'3', b'4'] {
        let said = image(&[entry(kind, "etc/passwd", "", b"")]).unwrap_err();
        let expected = "etc/passwd is neither file, folder nor link";
        assert_eq!(said.to_string(), expected);
    }
}
