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

#[test]
fn who_has_no_login_is_in_nobodys_way() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(async {
        let (config, none) = (Config::default(), Operations::none());
        let gateway = Gateway::new(config, none, PathBuf::from("/nonexistent"));
        let gateway = Arc::new(gateway);
        let connect = |uid| {
            let (client, end) = Client::pair().unwrap();
            let peer = Peer {
                uid,
                gid: uid,
                connected: None,
                inside: None,
            };
            gateway.admit(end, peer);
            Socket::new(client).unwrap()
        };
        // They say nothing.
        let mut silent: Vec<_> = (0..PER_USER).map(|_| connect(300_000)).collect();
        let mut told = vec![0; NOBODY.len()];
        for client in &mut silent {
            client.read_exact(&mut told).await.unwrap();
            assert_eq!(told, NOBODY);
        }
        silent.extend((0..PER_USER).map(|_| connect(300_000)));
        let of = |who| gateway.open.lock().unwrap().get(who).copied();
        assert_eq!(of(&STRANGERS), None);
        // Nor has root to be asked for.
        let mut first = [connect(300_001), connect(0)];
        assert_eq!(of(&STRANGERS), Some(1));
        first[0].read_exact(&mut told).await.unwrap();
    });
}
