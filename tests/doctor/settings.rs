//! What the configuration names that has to be there.

use std::fs;

use ds01_testkit::TestHost;

use super::{DOCTOR, chmod, told};

#[test]
fn a_default_image_is_here_or_in_the_catalogue() {
    let host = TestHost::new();
    let config = host.config_text();
    let catalogue = "Pytorch, 2.8.0-cuda12.4, CUDA_ADA, lab/pytorch\n";
    fs::write(host.root().join("etc/ml_images.repo"), catalogue).unwrap();
    for (name, verdict, what) in [
        ("ds01-base", "ok", " is here"),
        ("pytorch", "ok", " is the catalogue's lab/pytorch"),
        (
            "nosuch",
            "wrong",
            ", which neither the engine nor the catalogue has",
        ),
    ] {
        host.config(&format!(
            "{config}\n[containers]\ndefault_image = \"{name}\"\n"
        ));
        let said = told(&host, "default-image");
        let what = format!("containers.default_image = \"{name}\"{what}");
        assert_eq!([&*said[0][0], &*said[0][1]], [verdict, &what]);
    }
}

#[test]
fn an_engine_in_a_closed_folder_is_not_called_down() {
    let host = TestHost::new();
    // As ds01-takeover leaves it: nothing in there can be seen, and the engine serves everybody.
    chmod(&host.root().join("engine"), 0o700);
    let run = host.as_user("mallory").run(DOCTOR, &["--format=simple"]);
    let is_engine = |line: &&str| line.split('\t').nth(1) == Some("engine");
    let engine = run.stdout.lines().find(is_engine).unwrap();
    assert!(engine.starts_with("unknown\t"), "{engine}");
    assert!(engine.ends_with("\trun ds01-doctor as root"), "{engine}");
    assert!(!run.stdout.contains("restart docker"), "{}", run.stdout);
}
