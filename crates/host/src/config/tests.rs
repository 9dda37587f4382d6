use super::*;

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
}

#[test]
fn the_example_of_the_manual_page_has_every_key() {
    let page = include_str!("../../../../man/ds01.toml.5");
    let example = page.split(".EX\n").nth(1).unwrap();
    let example = example.split(".EE").next().unwrap().replace("\\-", "-");
    toml::from_str::<Config>(&example).unwrap();
    let lines: Vec<_> = page.lines().collect();
    let keys = lines.windows(2).filter(|pair| pair[0] == ".TP");
    for key in keys.filter_map(|pair| pair[1].strip_prefix(".B ")) {
        assert!(example.contains(&format!("\n{key} = ")), "{key}");
    }
}

#[test]
fn an_unknown_key_is_an_error() {
    assert!(toml::from_str::<Config>("[engine]\nsockt = '/x'\n").is_err());
}

#[test]
fn what_cannot_be_is_said() {
    for (text, fault) in [
        ("[engine]\ntimeout_s = 60", None),
        (
            "[engine]\ntimeout_s = 0",
            Some("engine.timeout_s: 0 is not 1 to 60"),
        ),
        (
            "[engine]\ntimeout_s = 61",
            Some("engine.timeout_s: 61 is not 1 to 60"),
        ),
        (
            "[paths]\nrun = 'ds01'",
            Some("paths.run: ds01 is not absolute"),
        ),
        (
            "[containers]\nbind_roots = ['/data', 'x']",
            Some("containers.bind_roots: \"x\" is not absolute"),
        ),
        ("[containers]\nlog_size = ''\nlog_files = 0", None),
        (
            "[containers]\nlog_size = 'much'",
            Some("containers.log_size, log_files: \"much\" and 3 are not as \"100m\" and 3"),
        ),
        (
            "[tell]\ncommand = ['mail']",
            Some("tell.command: \"mail\" is not absolute"),
        ),
        (
            "[tell]\nuser = 'root'",
            Some("tell.user: the command must not run as root"),
        ),
        (
            "[tell]\ntimeout_s = 61",
            Some("tell.timeout_s: 61 is not 1 to 60"),
        ),
        (
            "[gateway]\ntakes_over = 'docker.sock'",
            Some("gateway.takes_over: docker.sock is not absolute"),
        ),
        (
            "[gateway]\ntakes_over = '/run/docker.sock'",
            Some("gateway.takes_over: /run/docker.sock is engine.socket itself"),
        ),
    ] {
        let config = toml::from_str::<Config>(text).unwrap();
        assert_eq!(config.fault().as_deref(), fault, "{text}");
    }
}
