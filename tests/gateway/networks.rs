//! Networks: the engine has addresses for some thirty of them, for everybody.

use std::thread;

use ds01_testkit::TestHost;

use super::{call, done, refused};

#[test]
fn a_user_has_no_more_networks_by_asking_at_once() {
    let host = TestHost::behind_gateway(1);
    // The parser is there, and all are asked for at once.
    done(&host, "alice", &["ps", "-q"]);
    let made: Vec<_> = thread::scope(|scope| {
        let asked = |number| {
            let body = format!(r#"{{"Name":"n{number}","Driver":"bridge","Internal":true}}"#);
            let host = &host;
            scope.spawn(move || call(host, "alice", "POST /networks/create", &body))
        };
        let all: Vec<_> = (0..12).map(asked).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (good, bad): (Vec<_>, Vec<_>) = made.iter().partition(|reply| reply.status == 201);
    assert_eq!(good.len(), 5, "{made:?}");
    let said = "you have 5 networks, the most that a user may have; remove one that is not used: \
                docker network prune";
    assert!(bad.iter().all(|reply| reply.message() == said), "{bad:?}");
    let create = ["network", "create", "--internal", "one-more"];
    assert_eq!(refused(&host, "alice", &create), said);
    done(&host, "bob", &create);
    done(&host, "alice", &["network", "prune", "-f"]);
    done(&host, "alice", &create);
}
