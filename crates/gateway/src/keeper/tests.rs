use super::*;

#[test]
fn who_finds_no_room_leaves_nothing_behind() {
    let (config, none) = (Config::default(), Operations::none());
    let gateway = Gateway::new(config, none, PathBuf::from("/nonexistent"));
    let users = (IN_ALL / PER_USER) as u32;
    for uid in 0..users {
        for _ in 0..PER_USER {
            assert!(gateway.count(&(uid, None)));
        }
        assert!(!gateway.count(&(uid, None)), "more than a user may have");
    }
    assert!(!gateway.count(&(users, None)), "more than there may be");
    for uid in 0..users {
        (0..PER_USER).for_each(|_| gateway.discount(&(uid, None)));
    }
    // The gateway ends once nothing is open.
    assert!(gateway.open.lock().unwrap().is_empty());
}
