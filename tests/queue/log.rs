//! What the event log is told of the line.

use ds01_testkit::TestHost;

use super::{DUTY, QUEUE, bob, joined};
use crate::support::{
    duties::{events, pass, told},
    expect::created,
};

#[test]
fn joining_and_leaving_in_a_loop_does_not_fill_the_log() {
    let host = TestHost::new();
    created(&host, "thesis");
    let loops = || {
        let ticket = joined(&host, &[]);
        bob(&host).run(QUEUE, &["leave", &ticket]).ok();
    };
    loops();
    host.ledger()
        .edit(|ledger| ledger["line"]["joins"]["20002"]["count"] = 59.into());
    loops();
    loops();
    let told: Vec<_> = events(&host, "queue.")
        .iter()
        .map(|event| {
            let kind = event["event_type"].as_str().unwrap().to_string();
            (kind, event["details"]["quiet_until"].is_string())
        })
        .collect();
    let pair = |quiet| {
        [
            ("queue.joined".to_string(), quiet),
            ("queue.left".into(), false),
        ]
    };
    assert_eq!(told, [pair(false), pair(true)].concat());
    // Others are told of still, and so is he in another hour.
    host.as_user("carol").run(QUEUE, &["join"]).ok();
    host.ledger()
        .edit(|ledger| ledger["line"]["joins"]["20002"]["since"] = 1.into());
    loops();
    assert_eq!(events(&host, "queue.").len(), 7);
}

#[test]
fn events_of_the_line_name_the_container() {
    let host = TestHost::new();
    created(&host, "thesis");
    joined(&host, &["his"]);
    host.run("container-remove", &["thesis"]).ok();
    pass(&host, DUTY, &[]).ok();
    bob(&host).run(QUEUE, &["leave", "his"]).ok();
    let named = |kind: &str| (format!("queue.{kind}"), "his._.20002".to_string());
    let expected = ["joined", "served", "notified", "left"].map(named);
    assert_eq!(told(&host, "queue."), expected);
}
