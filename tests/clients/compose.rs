//! docker-compose 1.29, as Debian has it.

use ds01_testkit::TestHost;

use super::{alice, installed};
use crate::support::{
    expect::done,
    line::{in_line, waiters},
};

const COMPOSE: &str = "/usr/bin/docker-compose";

const FILE: &str = r#"
version: "2.4"
services:
  db:
    image: ds01-base
    command: sh -c 'trap "exit 0" TERM; echo up; echo kept >>/data/f; while :; do sleep 0.1; done'
    volumes: ["data:/data", "/anonymous"]
    networks: [back]
  web:
    image: ds01-base
    command: sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'
    environment: {EDITED: "0"}
    depends_on: [db]
    networks: [back]
    volumes: ["./src:/src:ro"]
volumes: {data: {}}
networks: {back: {}}
"#;

/// Everything after the first `up` runs on what it made; the edit makes both containers anew, for
/// which compose renames the old ones, and lets the new ones have their volumes.
const SCRIPT: &str = r#"
mkdir -p proj/src; echo code >proj/src/f; cd proj; cat >docker-compose.yml
c() { docker-compose --no-ansi "$@" >said 2>errors; status=$?; cat said; grep -i 'error\|changed' errors; echo "$1 $status"; }
c up -d
c logs --no-color db
c exec -T db sh -c 'echo whole >/anonymous/x'
c exec -T web sh -c 'cat /src/f; exit 5'
c up -d
sed -i 's/EDITED: "0"/EDITED: "1"/; s/echo up/echo up again/' docker-compose.yml
c up -d
c exec -T web sh -c 'echo $EDITED'
c exec -T db cat /data/f /anonymous/x
docker ps -a --format '{{.Names}}' | sort
c run --rm web echo once
c stop -t 5
c down -v
docker ps -aq; docker volume ls -q -f name=proj; docker network ls -q -f name=proj
"#;

/// As on the engine's own socket.
const SAID: &str = "\
up 0
Attaching to proj_db_1
db_1   | up
logs 0
exec 0
code
exec 5
up 0
up 0
1
exec 0
kept
kept
whole
exec 0
proj_db_1
proj_web_1
once
run 0
stop 0
down 0
";

#[test]
fn compose_makes_recreates_and_removes_a_project() {
    if !installed(COMPOSE) {
        return;
    }
    let host = TestHost::behind_gateway(1);
    host.limits_yaml(&host.limits_text().replace("per_user: 3", "per_user: 9"));
    let said = alice(&host).stdin(FILE).run("bash", &["-c", SCRIPT]);
    assert_eq!(said, done(SAID, ""));
}

#[test]
fn compose_waits_in_line_for_its_gpu() {
    if !installed(COMPOSE) {
        return;
    }
    let host = TestHost::behind_gateway(1);
    let bob = host.as_user("bob");
    bob.run("container-create", &["his", "ds01-base"]).ok();
    let file = "services: {one: {image: ds01-base, command: sleep 1000, deploy: {resources: \
                {reservations: {devices: [{capabilities: [gpu], count: 1}]}}}}}\n";
    let up = "mkdir -p proj; cd proj; printf %s \"$0\" >docker-compose.yml
              docker-compose --no-ansi up -d 2>errors || cat errors; echo up";
    let waiting = alice(&host).spawn("bash", &["-c", up, file]);
    in_line(&host, 1);
    assert_eq!(waiters(&host)[0].0, 20001);
    host.as_user("bob").run("container-remove", &["his"]).ok();
    assert_eq!(waiting.wait(), done("up\n", ""));
    assert_eq!(waiters(&host), []);
    let holder = host.run("gpu-status", &["--format=simple"]).ok();
    assert!(holder.contains("\talice\tproj_one_1"), "{holder}");
}

#[test]
fn who_makes_a_service_with_a_gpu_anew_is_told_to_take_it_down_first() {
    if !installed(COMPOSE) {
        return;
    }
    let host = TestHost::behind_gateway(2);
    let file = "services: {one: {image: ds01-base, command: sh -c 'trap exit TERM; while :; do sleep 0.1; done', \
                environment: {EDITED: '0'}, deploy: {resources: {reservations: {devices: [{capabilities: [gpu], \
                count: 1}]}}}}}";
    let script = "mkdir -p proj; cd proj; printf %s \"$0\" >docker-compose.yml
                  up() { docker-compose --no-ansi up -d >said 2>&1; echo $?; grep -o 'docker compose down first' said | head -n 1; }
                  up; sed -i \"s/EDITED: '0'/EDITED: '1'/\" docker-compose.yml; up
                  docker-compose --no-ansi down >/dev/null 2>&1; up";
    let said = alice(&host).run("bash", &["-c", script, file]).ok();
    assert_eq!(said, "0\n1\ndocker compose down first\n0\n");
}
