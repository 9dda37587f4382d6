//! `--gpu=<type>:<count>`: devices of one type, as Slurm's `--gpus=[type:]number`.

use ds01_testkit::{Outcome, TestHost};

use crate::support::expect::{done, failed, with_limit};

fn create(host: &TestHost, name: &str, gpu: &str) -> Outcome {
    let gpu = format!("--gpu={gpu}");
    host.run(
        "container-create",
        &[name, "--image=ds01-base", "--no-wait", &gpu],
    )
}

#[test]
fn a_type_is_given_or_nothing_is() {
    let host = TestHost::with_topology("a100-mig");
    with_limit(&host, "max_gpu_equivalents", "4");
    with_limit(&host, "max_gpu_slots_per_container", "2");
    let made = create(&host, "small", "1");
    assert_eq!(made, done("small with GPU 1:3\n", ""));
    let made = create(&host, "half", "2g.10gb:2");
    assert_eq!(made, done("half with GPU 3:0 2:0\n", ""));
    let made = create(&host, "large", "Full");
    assert_eq!(made, done("large with GPU 0\n", ""));
    host.run("container-remove", &["small"]).ok();
    let none = failed(
        6,
        "container-create: no GPU of type full free: 1 asked for, 0 of 1 free\n\
         hint: see who holds what with gpu-status\n",
    );
    assert_eq!(create(&host, "more", "full:1"), none);
    let few = failed(
        5,
        "container-create: more GPUs of type full asked for (2) than this host has for you (1)\n\
         hint: ask for fewer, with --gpu=full:1\n",
    );
    assert_eq!(create(&host, "more", "full:2"), few);
    let never = failed(
        5,
        "container-create: more GPUs of type 7g.80gb asked for (1) than this host has for you (0)\n\
         hint: see which types there are with gpu-status, and what you may have with check-limits\n",
    );
    assert_eq!(create(&host, "more", "7g.80gb"), never);
    let odd = create(&host, "more", "a100");
    assert_eq!((odd.status, odd.stdout.as_str()), (Some(2), ""));
    assert!(odd.stderr.contains("full:1 for a whole GPU"), "{odd:?}");
}

#[test]
fn who_waits_for_a_type_is_not_served_with_another() {
    let host = TestHost::with_topology("a100-mig");
    with_limit(&host, "max_gpu_equivalents", "4");
    create(&host, "large", "full").ok();
    host.as_user("bob")
        .run("gpu-queue", &["join", "--gpu=full", "--format=simple"])
        .ok();
    let list = host.run("gpu-queue", &["list", "--format=json"]).ok();
    assert!(list.contains(r#""devices": "full:1""#), "{list}");
    assert!(list.contains(r#""kept": []"#), "{list}");
    // What bob waits for keeps nobody from the rest.
    create(&host, "small", "1").ok();
    host.run("container-remove", &["large"]).ok();
    let made = create(&host, "large", "full");
    assert_eq!(made.status, Some(6), "{made:?}");
    let made = host.as_user("bob").run(
        "container-create",
        &["mine", "--image=ds01-base", "--gpu=full"],
    );
    assert_eq!(made, done("mine with GPU 0\n", ""));
}
