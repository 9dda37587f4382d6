//! Projects that the duty launches when their turn comes.

use super::*;

#[test]
fn of_two_turns_of_one_user_the_launch_uses_its_own() {
    let host = TestHost::with_gpus(2);
    with_limit(&host, "max_gpu_equivalents", "2");
    let project_of_bob = [("Dockerfile", "FROM ds01-base\n")];
    project(&host, "bob", "his", &project_of_bob);
    host.docker(&["tag", "ds01-base", "ds01-20002/his:latest"])
        .ok();
    for user in ["alice", "carol"] {
        let args = ["theirs", "ds01-base"];
        host.as_user(user).run("container-create", &args).ok();
    }
    let any = joined(&host, &[]);
    let launch = joined(&host, &["--launch=his"]);
    for user in ["alice", "carol"] {
        host.as_user(user).run("container-remove", &["theirs"]).ok();
    }
    let said = pass(&host, DUTY, &[]).ok();
    let mut said: Vec<_> = said.lines().map(timeless).collect();
    said.sort_unstable();
    let expected = [
        format!("ticket {any}: GPU 0 is kept for bob"),
        format!("ticket {launch}: his of bob runs with GPU 1"),
    ];
    assert_eq!(said, expected);
    let list = bob(&host).run("container-list", &["--format=json"]).ok();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list[0]["slots"], serde_json::json!(["1"]), "{list}");
    let status = bob(&host).run(QUEUE, &["--format=simple"]).ok();
    let row = format!("{any}\tkept\tbob\t1\t-\tnow\tGPU 0 is kept");
    assert_eq!(timeless(&status), row);
    let told = bob(&host).run("ds01-notices", &[]).ok();
    for text in [
        "your turn has come: GPU 0 is kept for you until ",
        "your turn has come: his runs with GPU 1: container-attach his\n",
    ] {
        assert!(told.contains(text), "{told}");
    }
}

#[test]
fn a_project_that_cannot_be_launched_is_told_and_its_gpu_kept() {
    let host = TestHost::new();
    project(&host, "bob", "his", &[("Dockerfile", "FROM ds01-base\n")]);
    host.docker(&["tag", "ds01-base", "ds01-20002/his:latest"])
        .ok();
    let ticket = joined(&host, &["--launch=his"]);
    assert_eq!(holder(&host), "bob (kept)", "at once");
    host.docker(&["rmi", "ds01-20002/his:latest"]).ok();
    let failed = pass(&host, DUTY, &[]).ok();
    let expected = format!("ticket {ticket}: his of bob was not started: ");
    assert!(failed.starts_with(&expected), "{failed}");
    assert_eq!(holder(&host), "bob (kept)");
    let told = bob(&host).run("ds01-notices", &[]).ok();
    assert!(
        told.contains("your turn has come, but his does not run: "),
        "{told}"
    );
}
