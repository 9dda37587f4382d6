use super::*;

fn of(text: &str) -> Result<Vec<String>, Unclear> {
    let given = [("B".to_string(), Some("ds01-1002/x".to_string()))];
    images(text, &given.into())
}

#[test]
fn every_image_that_is_taken_from_is_found() {
    for (text, expected) in [
        ("FROM a", vec!["a"]),
        (
            "\u{feff}from a as b\nFROM b\nCOPY --from=b / /\n",
            vec!["a"],
        ),
        (
            "FROM --platform=x a AS b\r\nCOPY --chown=1 --from=c:1 / /",
            vec!["a", "c:1"],
        ),
        (
            "FROM scratch\nCOPY --from=0 / /\nONBUILD COPY --from=d / /",
            vec!["d"],
        ),
        ("FR\\\nOM a", vec!["a"]),
        ("FR\\\n# comment\n\nOM a", vec!["a"]),
        ("# escape=`\nFR`\nOM a", vec!["a"]),
        ("COPY --chown=0\\\n --from=c:1 / /", vec!["c:1"]),
        ("ONBUILD ONBUILD COPY --from=d / /", vec!["d"]),
        (
            "# a b = c\n# escape=`\nLABEL a=`\nCOPY --from=c / /",
            vec!["c"],
        ),
        ("ARG A=b\nFROM $A", vec!["b"]),
        ("ARG A\nFROM ${A:-b}/c", vec!["b/c"]),
        ("ARG A=x\nFROM ${A:+d}", vec!["d"]),
        ("ARG B=mine\nFROM ${B}", vec!["ds01-1002/x"]),
        (
            "ARG A=ds01-\nARG C=\"${A}1002\"\nFROM $C/x",
            vec!["ds01-1002/x"],
        ),
        ("FROM a\nARG A=b\nFROM c$A", vec!["a", "c"]),
    ] {
        assert_eq!(of(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn it_is_written_an_instruction_a_line_where_each_began() {
    let text = "\u{feff}# syntax=x\n# why\nARG A=b\nFROM $A AS one\nRUN a \\\n  # no\n\n   b\\\nc\n\
                COPY --from=d --chown=1 --from=$B x \\\n y\nCMD x";
    let unclear = read(text, &BTreeMap::new()).unwrap_err();
    assert_eq!(unclear, Unclear::Image("$B".into()));
    let text = text.replace("$B", "e");
    let read = |text: &str| read(text, &BTreeMap::new()).unwrap();
    let pins = [("b", "sha256:1"), ("e", "sha256:2")];
    let pins = pins.map(|(name, pin)| (name.to_string(), pin.to_string()));
    let written = read(&text).write(&pins.into());
    let expected = "\n\nARG A=b\nFROM sha256:1 AS one\nRUN a    bc\n\n\n\n\n\
                    COPY --from=d --chown=1 --from=sha256:2 x  y\n\nCMD x\n";
    assert_eq!(written, expected);
    let plain = read(&written);
    assert_eq!(
        plain.write(&BTreeMap::new()),
        written,
        "read again it is the same"
    );
    let escaped = read("# escape=`\nRUN a `\nb\nRUN c\\ d").write(&BTreeMap::new());
    assert_eq!(escaped, "# escape=`\nRUN a b\n\nRUN c\\ d\n");
}

#[test]
fn the_platforms_of_its_images_are_told() {
    let text = "ARG P=linux/arm64\nFROM --platform=$P a\nFROM b\nFROM --platform=${Q:-x} c\n";
    let read = read(text, &BTreeMap::new()).unwrap();
    assert_eq!(read.platforms(), ["linux/arm64", "x"]);
    let other = super::read("FROM --platforms=x a\n", &BTreeMap::new());
    assert!(other.is_err(), "{other:?}");
}

#[test]
fn what_builders_read_in_several_ways_is_refused() {
    assert!(of("RUN echo $((1<<3)) <<< word << E").is_ok());
    for text in [
        "COPY --fr\"om\"=x / /",
        "COPY --fr\\om=x / /",
        "COPY --chown=1 --'from'=x / /",
        "ADD --fr`om=x / /",
        "COPY --chown=\u{e9} / /",
        "COPY --from=$X / /",
        "FROM --platform=\"a b\" x",
        "FROM a\u{e9}",
        "ONBU\u{130}LD COPY --from=x / /",
        "RUN a \\\\",
        "RUN cat <<E\nFROM ds01-base AS a\nE\nCOPY --from=a / /",
        "COPY 3<<-'E' /x",
        "FROM a AS ds01-1002/x",
        "RUN a\\\\\n",
    ] {
        assert!(of(text).is_err(), "{text:?}");
    }
    assert!(of(&format!("RUN {}", "a".repeat(LONGEST))).is_err());
    assert!(of(&format!("RUN {}", "a".repeat(LONGEST - 4))).is_ok());
}

#[test]
fn a_step_is_found_where_it_begins() {
    let text = "# escape=\\\n\nARG A=1\nFROM a\nRUN one && \\ \n  # why\n\n  two\n  \
                COPY . .\nRUN three \\";
    let steps: Vec<_> = (0..7).map(|number| step(text, number)).collect();
    assert_eq!(
        steps,
        [
            None,
            Some((3, "ARG A=1")),
            Some((4, "FROM a")),
            Some((5, "RUN one &&")),
            Some((9, "COPY . .")),
            Some((10, "RUN three")),
            None
        ]
    );
    assert_eq!(
        step("# escape=`\nRUN a `\n b\nRUN c\\", 2),
        Some((4, "RUN c\\"))
    );
}

#[test]
fn a_name_that_is_made_up_oddly_is_refused() {
    for text in [
        "FROM ${A:-$B}",
        "FROM \"a\"",
        "FROM a\\b",
        "FROM ${A?}",
        "FROM $",
        "FROM ${A",
    ] {
        assert!(of(text).is_err(), "{text}");
    }
}

#[test]
fn the_names_of_arguments_are_those_of_the_instruction() {
    let text = "ARG A\nFROM x\n  arg B=1 C=\"d\"\n# ARG D\nRUN echo ARG E\nAR\\\nG F=$A";
    let expected = ["A", "B", "C", "F"].map(String::from);
    assert_eq!(arguments(text), expected.into());
}
