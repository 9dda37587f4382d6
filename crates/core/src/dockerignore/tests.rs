use super::*;

fn kept<'a>(text: &str, paths: &[&'a str]) -> Vec<&'a str> {
    let ignore = Ignore::parse(text).unwrap();
    let kept = paths.iter().filter(|path| !ignore.leaves_out(path));
    kept.copied().collect()
}

#[test]
fn the_examples_of_the_reference_hold() {
    let paths = [
        "Dockerfile",
        "README.md",
        "README-secret.md",
        "a.go",
        "tempa",
        "tempab",
        "some/temporary.txt",
        "some/sub/temporary.txt",
        "some/a.go",
    ];
    for (text, expected) in [
        ("", &paths[..]),
        (
            "# comment\n*/temp*\n*/*/temp*\ntemp?\n",
            &[
                "Dockerfile",
                "README.md",
                "README-secret.md",
                "a.go",
                "tempab",
                "some/a.go",
            ],
        ),
        (
            "*.md\n!README.md\n",
            &[
                "Dockerfile",
                "README.md",
                "a.go",
                "tempa",
                "tempab",
                "some/temporary.txt",
                "some/sub/temporary.txt",
                "some/a.go",
            ],
        ),
        ("*\n!README*.md\nREADME-secret.md", &["README.md"]),
        (
            "*\nREADME-secret.md\n!README*.md",
            &["README.md", "README-secret.md"],
        ),
        (
            "**/*.go\n**/temp*",
            &["Dockerfile", "README.md", "README-secret.md"],
        ),
        (
            "some\n!some/sub",
            &[
                "Dockerfile",
                "README.md",
                "README-secret.md",
                "a.go",
                "tempa",
                "tempab",
                "some/sub/temporary.txt",
            ],
        ),
        ("**", &[]),
        (
            "some/**\n*.md\n*[a-bn]*\nDocker[^x]ile\\\\",
            &["Dockerfile"],
        ),
    ] {
        assert_eq!(kept(text, &paths), expected, "{text:?}");
    }
}

#[test]
fn paths_of_patterns_are_cleaned_and_relative_to_the_folder() {
    for text in [
        "/data",
        "./data/",
        "x/../data",
        " data \r",
        "\u{feff}data",
        "/../data",
    ] {
        let expected = match text {
            "/../data" => &["data/x", "sub/data"][..],
            _ => &["sub/data"],
        };
        assert_eq!(kept(text, &["data/x", "sub/data"]), expected, "{text:?}");
    }
    assert_eq!(kept("a\\*b\n[*]", &["a*b", "axb", "*", "x"]), ["axb", "x"]);
    assert_eq!(kept(" # a\n.", &["# a", "a"]), ["a"]);
    assert_eq!(
        kept("a/**/b", &["a/b", "a/x/b", "a/xb", "a/x/y/b/c"]),
        ["a/xb"]
    );
}

#[test]
fn what_docker_refuses_is_refused() {
    for text in ["a\n[", "a\n[]", "a\n[a-", "a\n[^]", "a\n!", "a\nb\\"] {
        let error = Ignore::parse(text).unwrap_err().to_string();
        assert!(error.starts_with("line 2 of .dockerignore "), "{error}");
    }
}

#[test]
fn the_longest_line_is_read_and_one_longer_refused() {
    for end in ["a", "\\a", "[a]"] {
        let most = "*".repeat(LINE - end.len()) + end;
        assert_eq!(kept(&most, &["a", "x"]), ["x"]);
        let error = Ignore::parse(&format!("a\n*{most}")).unwrap_err();
        let expected = "line 2 of .dockerignore has 4097 bytes, and may have 4096";
        assert_eq!(error.to_string(), expected);
    }
    // A line that is a comment is compared with nothing.
    Ignore::parse(&format!("#{}", "a".repeat(3 << 20))).unwrap();
    Ignore::parse(&"\\a".repeat(1 << 20)).unwrap_err();
}

#[test]
fn many_stars_do_not_take_forever() {
    let many = "a".repeat(250);
    let folders = "a/".repeat(1000);
    for (pattern, path, matched) in [
        ("*a".repeat(100) + "b", many.clone(), false),
        ("*a".repeat(100), many.clone(), true),
        ("*[a]?".repeat(60) + "b", many, false),
        ("**/a/".repeat(100) + "b", folders.clone(), false),
        ("**/".repeat(500) + "b", folders + "b", true),
    ] {
        let ignore = Ignore::parse(&pattern).unwrap();
        assert_eq!(ignore.leaves_out(&path), matched, "{pattern}");
    }
    let ignore = Ignore::parse(&format!("*\n!{}b/x", "*a".repeat(100))).unwrap();
    assert!(!ignore.may_keep_in(&"a".repeat(250)));
}

#[test]
fn two_stars_stand_for_whole_folders() {
    for (pattern, path, matched) in [
        ("**a", "xa", false),
        ("**a", "x/a", true),
        ("x**", "x", true),
        ("x**", "xy/z", true),
        ("x**y", "xzy", false),
        ("x**y", "xy", true),
        ("x**y", "xz/y", true),
        ("***a", "ba", true),
        ("*/**/b", "a/b", true),
        ("*/**/b", "b", false),
        ("*", "", true),
        ("a/**/**/b", "a/b", true),
    ] {
        let text: Vec<char> = pattern.chars().collect();
        assert_eq!(matches(&text, path, false), matched, "{pattern} {path}");
    }
}

#[test]
fn a_folder_is_entered_only_for_what_it_may_keep() {
    let ignore = Ignore::parse("*\n!src/*/keep\n!top").unwrap();
    for (folder, entered) in [
        ("src", true),
        ("src/a", true),
        ("src/a/keep", true),
        ("src/a/other", false),
        ("data", false),
        ("top/sub", true),
    ] {
        assert_eq!(ignore.may_keep_in(folder), entered, "{folder}");
    }
    let anywhere = Ignore::parse("*\n!**/keep").unwrap();
    assert!(anywhere.may_keep_in("data/x"));
    assert!(!Ignore::parse("*").unwrap().may_keep_in("src"));
}
