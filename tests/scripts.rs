//! The two example scripts of the users' guide, as they were promised to work.

use std::fs;

use ds01_testkit::{Outcome, TestHost};

use crate::support::expect::{image, outcome, with_config};

/// A host whose default image has stand-ins for `python` and `pytest`.
fn host() -> TestHost {
    let host = TestHost::new();
    let python = ("/usr/bin/python", "#!/bin/sh\necho \"python $* in $PWD\"\n");
    let pytest = (
        "/usr/bin/pytest",
        "#!/bin/sh\necho \"pytest $* in $PWD\"\nexit 1\n",
    );
    image(&host, "lab", "ds01-base", &[python, pytest], &[]);
    // The line that is shipped, and a catalogue in which it names that image.
    let shipped = include_str!("../scripts/package/etc/ds01.toml");
    let line = shipped
        .lines()
        .find(|line| line.starts_with("default_image = "));
    with_config(&host, &format!("[containers]\n{}\n", line.unwrap()));
    let catalogue = "Pytorch, 2.8.0-cuda12.4, CUDA_ADA, lab\n";
    fs::write(host.root().join("etc/ml_images.repo"), catalogue).unwrap();
    host
}

/// Runs `script` as alice, with an `image-create` that has nothing to do.
fn bash(host: &TestHost, script: &str, args: &[&str]) -> Outcome {
    let home = host.home("alice");
    fs::create_dir_all(home.join("bin")).unwrap();
    fs::write(
        home.join("bin/image-create"),
        "#!/bin/sh\necho \"image of $1\"\n",
    )
    .unwrap();
    fs::write(home.join("script"), script).unwrap();
    host.as_user("root")
        .run("chmod", &["755", "/home/alice/bin/image-create"])
        .ok();
    let path = "/home/alice/bin:/mnt/bin:/usr/local/bin:/usr/bin:/bin";
    let alice = host.as_user("alice").env("PATH", path);
    alice.run("bash", &[&["/home/alice/script"], args].concat())
}

#[test]
fn parallel_experiments_run_one_by_one_with_their_settings() {
    let host = host();
    let script = r#"
for config in configs/*.yaml; do
name=$(basename $config .yaml)
container-create exp-$name --background
container-start exp-$name
container-attach exp-$name <<EOF
cd /workspace/experiments
python train.py --config $config
exit
EOF
container-stop exp-$name
container-remove exp-$name
done
"#;
    for path in [
        "configs",
        "workspace/exp-large/experiments",
        "workspace/exp-small/experiments",
    ] {
        host.run("mkdir", &["-p", path]).ok();
    }
    host.run("touch", &["configs/large.yaml", "configs/small.yaml"])
        .ok();
    let of = |name: &str| {
        let out = format!(
            "exp-{name} with GPU 0\n\
             python train.py --config configs/{name}.yaml in /workspace/experiments\n"
        );
        let err = format!("exp-{name} keeps GPU 0 for 15m\nexp-{name} removed, GPU 0 is free\n");
        (out, err)
    };
    let (large, small) = (of("large"), of("small"));
    let expected = outcome(0, &(large.0 + &small.0), &(large.1 + &small.1));
    assert_eq!(bash(&host, script, &[]), expected);
    assert_eq!(host.docker(&["ps", "-aq"]).ok(), "");
}

/// The second script of the guide; `quote` is put around the word that begins the heredoc.
fn testing(quote: &str) -> String {
    format!(
        r#"
PROJECT=$1
image-create $PROJECT || exit 1
container-create test-$PROJECT || exit 1
container-start test-$PROJECT || exit 1
container-attach test-$PROJECT <<{quote}EOF{quote}
cd /workspace/$PROJECT
pytest tests/
EXIT_CODE=$?
exit $EXIT_CODE
EOF
TEST_RESULT=$?
container-remove test-$PROJECT --stop
if [ $TEST_RESULT -eq 0 ]; then
echo "Tests passed!"
else
echo "Tests failed!"
exit 1
fi
"#
    )
}

/// The caller's shell expands `$?` before `container-attach` begins: the script's own doing.
#[test]
fn automated_testing_runs_as_written_and_reports_what_its_heredoc_says() {
    let host = host();
    host.run("mkdir", &["-p", "workspace/test-net/net"]).ok();
    let tested = bash(&host, &testing(""), &["net"]);
    let stdout =
        "image of net\ntest-net with GPU 0\npytest tests/ in /workspace/net\nTests passed!\n";
    assert_eq!(
        tested,
        outcome(0, stdout, "test-net removed, GPU 0 is free\n")
    );
}

#[test]
fn automated_testing_with_a_quoted_heredoc_reports_the_tests() {
    let host = host();
    // Quoted, `$PROJECT` is the container's to know.
    let script = testing("'").replace("/workspace/$PROJECT\n", "/workspace/net\n");
    host.run("mkdir", &["-p", "workspace/test-net/net"]).ok();
    let tested = bash(&host, &script, &["net"]);
    let stdout =
        "image of net\ntest-net with GPU 0\npytest tests/ in /workspace/net\nTests failed!\n";
    assert_eq!(
        tested,
        outcome(1, stdout, "test-net removed, GPU 0 is free\n")
    );
}

#[test]
fn a_script_that_cannot_create_ends_with_the_reason() {
    let host = host();
    host.run("container-create", &["thesis", "lab"]).ok();
    let tested = bash(&host, &testing("'"), &["net"]);
    let quota = "container-create: GPU quota reached: 1 of 1 in use, 1 more asked for\n\
                 hint: free a GPU with container-retire\n";
    assert_eq!(tested, outcome(1, "image of net\n", quota));
}
