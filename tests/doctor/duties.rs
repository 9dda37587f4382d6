//! Duties that do not run.

use std::{
    fs::File,
    time::{Duration, UNIX_EPOCH},
};

use ds01_testkit::TestHost;

use super::{assert_told, told};
use crate::support::{duties::pass, expect::running};

#[test]
fn duties_that_stand_still_are_told_where_a_container_has_a_gpu() {
    let host = TestHost::new();
    let ok = ["ok", "they run", "-"];
    for duty in ["ds01-idle", "ds01-runtime"] {
        pass(&host, duty, &[]).ok();
        assert_eq!(told(&host, "duties"), [[""; 3]; 0], "nobody has a GPU");
        running(&host, "thesis");
        assert_told(&host, "duties", &[ok]);

        // The last pass was long ago, and one that only tells what it would do is none.
        let file = File::open(host.state_dir().join("lifecycle.json")).unwrap();
        let then = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        file.set_modified(then).unwrap();
        pass(&host, duty, &["--dry-run"]).ok();
        let what = "none has ended a pass since 2023-11-14T22:13:20Z";
        let fix = "systemctl --no-reload enable --now ds01.target, or take the # away in \
                   /etc/cron.d/ds01; if they are switched on: journalctl -u ds01-runtime";
        assert_told(&host, "duties", &[["warning", what, fix]]);
        pass(&host, duty, &[]).ok();
        assert_told(&host, "duties", &[ok]);
        host.run("container-remove", &["thesis", "--stop"]).ok();
    }
}
