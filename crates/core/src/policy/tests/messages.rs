//! What an administrator reads of a file that is wrong, word for word.

use super::*;

#[test]
fn a_wrong_value_is_named_with_file_line_and_key() {
    let value = |key: &str, value: &str| {
        let message = refusal(&format!("# limits\ndefaults:\n  {key}: {value}\n"));
        message
            .strip_prefix(&format!("limits.yaml:3: defaults.{key}: "))
            .expect(&message)
            .to_owned()
    };
    for (key, wrong, message) in [
        (
            "max_gpu_equivalents",
            "-1",
            "must be a number of GPUs, 0 or more, or null for no limit, not -1",
        ),
        (
            "max_gpu_equivalents",
            ".nan",
            "must be a number of GPUs, 0 or more, or null for no limit, not NaN",
        ),
        (
            "max_gpu_equivalents",
            "two",
            "must be a number of GPUs, 0 or more, or null for no limit, not \"two\"",
        ),
        (
            "max_gpu_slots_per_container",
            "1.5",
            "must be a whole number, 0 or more, or null for no limit, not 1.5",
        ),
        (
            "max_containers_per_user",
            "[3]",
            "must be a whole number, 0 or more, or null for no limit, not a list",
        ),
        (
            "allow_full_gpu",
            "yes",
            "must be true or false, not \"yes\"",
        ),
        ("allow_full_gpu", "null", "must be true or false, not null"),
        (
            "max_cpus",
            "0",
            "must be a number of CPUs, 0.01 or more, or null for no limit, not 0",
        ),
        (
            "memory",
            "32",
            "must be a size like 32g, 6m or more, or null for no limit, not 32",
        ),
        (
            "memory",
            "32x",
            "must be a size like 32g, 6m or more, or null for no limit, not \"32x\"",
        ),
        (
            "memory",
            "0",
            "must be a size like 32g, 6m or more, or null for no limit, not 0",
        ),
        (
            "shm_size",
            "{}",
            "must be a size above 0 like 16g, or null for no limit, not a mapping",
        ),
        (
            "pids_limit",
            "-1",
            "must be a whole number, 1 or more, or null for no limit, not -1",
        ),
        (
            "max_tasks",
            "0",
            "must be a whole number, 1 or more, or null for no limit, not 0",
        ),
        (
            "max_runtime_h",
            "24h",
            "must be a number of hours above 0, or null for no limit, not \"24h\"",
        ),
        (
            "idle_timeout_h",
            "0",
            "must be a number of hours above 0, or null for no limit, not 0",
        ),
        (
            "gpu_hold_after_stop_h",
            "-0.5",
            "must be a number of hours, 0 or more, or null for no limit, not -0.5",
        ),
        (
            "priority",
            "101",
            "must be a whole number from 1 to 100, not 101",
        ),
        (
            "aggregate",
            "null",
            "must be a mapping (write {} for an empty one), not null",
        ),
        (
            "policies",
            "5",
            "must be a mapping (write {} for an empty one), not 5",
        ),
    ] {
        assert_eq!(value(key, wrong), message);
    }
    for (text, message) in [
        ("", "limits.yaml: holds no limits"),
        ("# nothing\n", "limits.yaml: holds no limits"),
        ("- a\n", "limits.yaml: must be keys and values, not a list"),
        (
            "defaults:\n",
            "limits.yaml:1: defaults: must be a mapping (write {} for an empty one), not null",
        ),
        (
            "groups:\n  a:\n  b: {}\n",
            "limits.yaml:2: groups.a: must be a mapping (write {} for an empty one), not null",
        ),
        (
            "groups: {a b: {}}",
            "limits.yaml:1: groups.a b: the name of a group has only letters a-z, digits, '-' and '_'",
        ),
        (
            "a: 1\ndefault_group: x\n",
            "limits.yaml:2: default_group: no group \"x\" in groups",
        ),
        (
            "default_group: null\n",
            "limits.yaml:1: default_group: must be text (a number in quotes), not null",
        ),
        (
            "groups:\n  a:\n    members: [x, 12]\n",
            "limits.yaml:3: groups.a.members: must be a list of texts (numbers in quotes), not a list",
        ),
        (
            "groups:\n  a: {}\n  b: {}\n  a: {}\n",
            "limits.yaml:4: groups.a: written twice",
        ),
        (
            "groups:\n  a:\n    memory: 8g\n    pids_limit: 9\n    memory: 9g\n",
            "limits.yaml:5: groups.a.memory: written twice",
        ),
        (
            "groups:\n  a: {aggregate: {cpu_quota: 9600}}\n",
            "limits.yaml:2: groups.a.aggregate.cpu_quota: must be a percentage like \"400%\", or null for no limit, not 9600",
        ),
        (
            "a: 1\nb: [1\nc: 2\n",
            "limits.yaml:3: did not find expected ',' or ']' at line 3 column 2, while parsing a flow sequence at line 2 column 4",
        ),
        (
            "a: !x 1\n",
            "limits.yaml:1: a: invalid type: enum, expected YAML without tags at line 1 column 4",
        ),
        (
            "a: 1\n---\nb: 1\n",
            "limits.yaml: deserializing from YAML containing more than one document is not supported",
        ),
        (
            "enforcement: {aggregate_limits: 1}",
            "limits.yaml:1: enforcement.aggregate_limits: must be true or false, not 1",
        ),
        (
            "container_types:\n  docker:\n    max_runtime_h: 0\n",
            "limits.yaml:3: container_types.docker.max_runtime_h: must be a number of hours above 0, or null for no limit, not 0",
        ),
        (
            "waiting_line: {recent_use_half_life_h: 0}",
            "limits.yaml:1: waiting_line.recent_use_half_life_h: must be a number of hours above 0, not 0",
        ),
    ] {
        assert_eq!(refusal(text), message, "{text:?}");
    }
}

#[test]
fn a_line_that_is_not_certain_is_left_out() {
    let text = "defaults:\n  note: \"\n  memory: 1\n  \"\n  memory: 32x\n";
    assert_eq!(
        refusal("a: 1\nb: \u{1}\n"),
        "limits.yaml: control characters are not allowed at position 8"
    );
    assert!(
        refusal(text).starts_with("limits.yaml: defaults.memory: must be"),
        "{}",
        refusal(text)
    );
}

#[test]
fn what_has_no_effect_is_told() {
    let mut files = files(
        "defaults:\n  max_cpu: 3\n  gpu_memory: 1\n  members: [a]\ngpu_allocation:\nmonitoring: {a: 1}\nquota: 1\n\
         groups:\n  student:\n    policies: {auto_stop_idle: true}\n    aggregate: {gpu_limit: 4, gpus: 1}\n",
    );
    files.overrides = Some(source(
        "overrides.yaml",
        "alice:\n  max_gpu_equivalents: 6\nbob: {max_gpu_slots: 4}\n",
    ));
    assert_eq!(
        warnings(&files),
        [
            "limits.yaml:2: defaults.max_cpu: unknown key",
            "limits.yaml:3: defaults.gpu_memory: has no effect",
            "limits.yaml:4: defaults.members: unknown key",
            "limits.yaml:6: monitoring: has no effect",
            "limits.yaml:7: quota: unknown key",
            "limits.yaml:10: groups.student.policies.auto_stop_idle: has no effect",
            "limits.yaml:11: groups.student.aggregate.gpus: unknown key",
            "overrides.yaml:2: alice.max_gpu_equivalents: has no effect above aggregate.gpu_limit, 4",
        ]
    );
}

#[test]
fn a_message_cannot_write_on_the_readers_terminal() {
    let files = files("\"a\\n\\e[2J\": 1");
    assert_eq!(warnings(&files), ["limits.yaml: a??[2J: unknown key"]);
}

#[test]
fn an_error_is_a_matter_for_the_administrator() {
    let error = Policy::parse(&files("defaults:")).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    let hint = "an administrator must correct limits.yaml: nothing is granted on guessed limits";
    assert_eq!(error.hint().as_deref(), Some(hint));
}

#[test]
fn a_grace_that_no_pass_of_a_duty_outlasts_is_shortened_and_told() {
    let text = |grace: &str| {
        format!(
            "policies: {{sigterm_grace_s: {grace}}}\n\
             container_types: {{docker: {{sigterm_grace_s: {grace}}}}}"
        )
    };
    let told = |grace: &str| {
        let (policy, warnings) = Policy::parse(&files(&text(grace))).unwrap();
        let warnings: Vec<_> = warnings
            .into_iter()
            .map(|warning| warning.message)
            .collect();
        let own = policy.limits_for("").lifecycle.stop_grace;
        let of_docker = policy.container_types().docker.stop_grace;
        (own.as_secs(), of_docker.as_secs(), warnings)
    };
    assert_eq!(told("300"), (300, 300, vec![]));
    let shortened = ["policies.", "container_types.docker."]
        .map(|section| format!("{section}sigterm_grace_s: has no effect above 300"));
    assert_eq!(told("301"), (300, 300, shortened.to_vec()));
    assert_eq!(told("86400"), (300, 300, shortened.to_vec()));
    let odd = files(&text("-1"));
    assert!(Policy::parse(&odd).is_err());
}
