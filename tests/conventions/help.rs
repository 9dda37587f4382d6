//! Help, in each of its tiers and at each width.

use ds01_testkit::TestHost;

use super::commands;
use crate::support::expect::done;

/// The short help on a terminal of 40 columns, without what makes it bold.
fn narrow_help(host: &TestHost, command: &str) -> String {
    let script = "stty cols 40; exec \"$0\" --help";
    let mut terminal = host.as_user("alice").pty("sh", &["-c", script, command]);
    let (status, shown) = terminal.rest();
    assert_eq!(status, Some(0), "{command}: {shown}");
    let bold = ["\x1b[1m", "\x1b[0m", "\r"];
    bold.iter().fold(shown, |text, code| text.replace(code, ""))
}

/// A page with nothing in it but what is printed, and what a shell reads as one line in one.
fn unbroken(page: &str) -> String {
    let joined = page.replace(" \\\n", " ");
    joined.split_whitespace().collect()
}

#[test]
fn every_command_has_each_tier_of_help_even_where_nothing_else_works() {
    let host = TestHost::new();
    host.config("this is no configuration");
    host.engine().kill();
    for command in commands() {
        let page = |option: &str| {
            let shown = host.run(&command, &[option]);
            assert_eq!(
                (shown.status, shown.stderr.as_str()),
                (Some(0), ""),
                "{command} {option}"
            );
            shown.stdout
        };
        let help = page("--help");
        assert!(help.starts_with(&format!("Usage: {command}")), "{help}");
        assert!(
            help.lines().count() <= 40,
            "{command}: more than a screen of help"
        );
        let widest = help.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(80), "{command}: {widest:?} columns");
        let narrow = narrow_help(&host, &command);
        let torn = |line: &&str| line.chars().count() > 40 && !line.starts_with("  * * * * * ");
        let torn: Vec<_> = narrow.lines().filter(torn).collect();
        assert!(torn.is_empty(), "{command}: {torn:#?}");
        assert_eq!(unbroken(&narrow), unbroken(&help), "{command}");
        assert_eq!(page("-h"), help);
        let info = page("--info");
        for heading in ["Name:\n", "Synopsis:\n", "Exit status:\n", "See also:\n"] {
            assert!(info.contains(heading), "{command} --info has no {heading}");
        }
        assert!(info.len() > help.len());
        assert!(page("--concepts").len() > 200, "{command}");
        assert_eq!(
            page("--version"),
            format!("{command} (DS01) {}\n", env!("CARGO_PKG_VERSION"))
        );
        // A page is shown whatever else is on the line.
        assert_eq!(
            host.run(&command, &["--frobnicate", "--help"]),
            done(&help, "")
        );
    }
}
