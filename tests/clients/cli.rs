//! The docker command, of the release that comes first in `PATH` and of Debian's.

use ds01_testkit::{As, Outcome, TestHost};

use super::{alice, root, without_ids};

/// What scripts do. They leave nothing behind, and print nothing that is another one each time. No
/// id begins with a name of theirs, by which docker would find what is gone.
const SCRIPTS: &[(&str, &str)] = &[
    (
        "status",
        "docker run --rm ds01-base sh -c 'echo out; echo err >&2; exit 7'; echo $?
         docker run --rm --nosuch ds01-base >/dev/null 2>&1; echo $?
         docker run --rm ds01-base /etc >/dev/null 2>&1; echo $?
         docker run --rm ds01-base nosuch >/dev/null 2>&1; echo $?
         docker run --rm ds01-base sh -c 'kill -9 $$'; echo $?
         docker exec nosuch true; echo $?; docker rm nosuch; echo $?; docker wait nosuch; echo $?",
    ),
    (
        "options",
        "docker run --rm -e A=b -w /tmp --hostname h ds01-base sh -c 'echo $A $PWD; hostname'
         docker run --rm -u 1234:55 --network none ds01-base sh -c 'id -u; id -g'
         docker run --rm -m 64m --cpus 0.5 --ulimit nofile=100 ds01-base sh -c 'ulimit -n'
         docker run --rm --read-only --tmpfs /t ds01-base sh -c 'touch /t/a && ! touch /a'
         echo in | docker run -i --rm ds01-base cat; echo in | docker run --rm ds01-base cat
         docker run -it --rm ds01-base true; echo $?",
    ),
    (
        "detached",
        "docker run -d --name hut ds01-base sh -c 'echo one; echo two >&2; exit 3'
         docker wait hut; docker logs hut 2>/dev/null; docker logs hut 2>&1 >/dev/null
         docker start -a hut >/dev/null 2>&1; echo $?; docker rm hut; docker rm hut; echo $?
         docker run -d --rm --name hut ds01-base sleep 100; docker stop -t 0 hut
         until [ -z \"$(docker ps -aq)\" ]; do sleep .1; done; docker create -i --name hut ds01-base cat; echo zz | docker start -ai hut
         docker rm hut",
    ),
    (
        "life",
        // A first process is stopped by what it minds alone: not before it has said so.
        "docker create --name hut ds01-base sh -c 'trap \"exit 5\" TERM; : >/dev/shm/minds; while :; do sleep .1; done'
         docker ps -a --format '{{.Names}} {{.Status}} {{.Image}}'; docker start hut; docker start hut
         docker pause hut; docker ps --format '{{.State}}'; docker exec hut true 2>/dev/null; echo $?
         docker unpause hut; docker restart -t 1 hut
         until docker exec hut test -e /dev/shm/minds; do :; done; docker stop hut
         docker inspect -f '{{.Name}} {{.State.ExitCode}} {{.Config.Image}} {{.Args}}' hut
         docker start hut; docker kill hut; docker wait hut; docker rename hut inn; docker inspect -f '{{.Name}}' inn
         docker inspect hut; echo $?; docker start inn; docker rm inn >/dev/null 2>&1; echo $?
         docker rm -f inn; docker rm -f inn; echo $?",
    ),
    (
        // A name that no id begins with: events are found by either.
        "look",
        "docker run -d --name web1 --label tier=front -p 8099:80 --network none ds01-base sleep 100
         docker create --name web2 ds01-base true; docker run --name sql ds01-base sh -c 'exit 4'
         docker ps -q | wc -l; docker ps -a -f exited=4 --format '{{.Names}}'
         for f in name=web 'name=^web|^sql' 'name=^/web1$' label=tier=front ancestor=ds01-base \
             ancestor=nosuch since=web2 before=web2 status=created; do
             docker ps -a -f \"$f\" --format \"$f {{.Names}}\"; done
         docker ps -n 1 --format '{{.Names}}'; docker port web1; docker diff sql
         docker top web1 -o pid,comm | head -1
         docker stats --no-stream --format '{{.Name}} {{.PIDs}}' web1
         docker events --since 1m --until 0s --filter container=sql --format '{{.Action}} {{.From}}'
         docker container prune -f --filter label=tier; docker container prune -f | wc -l
         docker rm -f web1; docker system prune -f >/dev/null; echo $?",
    ),
    (
        "exec",
        "docker run -d --name hut ds01-base sleep 100
         docker exec hut sh -c 'echo o; echo e >&2; exit 9'; echo $?
         printf 'a\\nb\\n' | docker exec -i hut wc -l; docker exec -i hut cat </dev/null; echo $?
         docker exec -e A=b -w /tmp -u 5 hut sh -c 'echo $A $PWD; id -u'
         docker exec -d hut touch /bg; until docker exec hut test -e /bg; do sleep .1; done
         docker exec hut nosuch >/dev/null; echo $?; docker exec -w /no hut true >/dev/null; echo $?
         docker exec hut sh -c 'kill -9 $$'; echo $?; docker rm -f hut",
    ),
    (
        "files",
        "docker run -d --name hut ds01-base sleep 100; mkdir d; echo hello >d/f
         tar c d | docker exec -i hut tar x -C /opt; docker exec hut cat /opt/d/f
         docker exec hut tar c -C /opt d | tar x -O; docker export hut | tar t | grep -c bin/busybox
         docker rm -f hut; rm -r d",
    ),
    (
        "folders",
        "mkdir d; echo text >d/f; docker run --rm -v $PWD/d:/d ds01-base cat /d/f
         docker run --rm -v $PWD/d:/d:ro ds01-base touch /d/g; echo $?
         docker run --rm --mount type=bind,src=$PWD/d,dst=/d ds01-base sh -c 'echo new >/d/n'
         ls -o d/n | cut -c1-10; cat d/n; docker run --rm -v $PWD/made:/d ds01-base ls /d; ls -d made
         docker run --rm --mount type=bind,src=/nosuch,dst=/d ds01-base true 2>/dev/null; echo $?
         rm -r d made",
    ),
    (
        "volumes",
        "docker volume create data; docker volume ls -q; docker volume ls -q -f name=dat
         docker run --rm -v data:/d ds01-base sh -c 'echo kept >/d/f'
         docker run -d --name hut --mount type=volume,src=data,dst=/d -v /e ds01-base sleep 100
         docker exec hut cat /d/f; docker ps -f volume=data --format '{{.Names}} {{.LocalVolumes}}'
         docker inspect -f '{{range .Mounts}}{{.Type}} {{.Destination}};{{end}}' hut | grep -c '/d;'
         docker run --rm --volumes-from hut ds01-base cat /d/f
         docker volume rm data; echo $?; docker rm -fv hut; docker volume rm data nosuch; echo $?
         docker volume rm $(docker volume create); docker volume ls -q",
    ),
    (
        "networks",
        "docker network create net; docker network ls -f name=net --format '{{.Name}} {{.Driver}}'
         docker network create net; echo $?; docker network inspect net -f '{{.Name}} {{.Labels}}'
         docker run -d --name hut --network net ds01-base sleep 100
         docker inspect -f '{{.HostConfig.NetworkMode}}' hut; docker ps -f network=net --format '{{.Names}}'
         docker run --rm --network net ds01-base nslookup hut 127.0.0.11 | grep Name
         docker run --rm --network container:hut ds01-base hostname; docker network rm net; echo $?
         docker network create net2; docker network connect net2 hut; docker network disconnect net2 hut
         docker network disconnect net2 hut; echo $?; docker rm -f hut; docker network prune -f | sort
         docker run --rm --network net ds01-base true >/dev/null 2>&1; echo $?",
    ),
    (
        "images",
        "docker tag ds01-base my:1; docker images --format '{{.Repository}}:{{.Tag}}' my
         docker run --name hut my:1 sh -c 'echo x >/x'; docker ps -a --format '{{.Image}}'
         docker commit -m msg -c 'ENV Q=1' hut my:2; docker run --rm my:2 sh -c 'cat /x; echo $Q'
         docker history --format '{{.Comment}}' my:2 | head -1; docker rm hut
         docker save my:2 | tar t | grep -c manifest.json; docker save my:2 my:1 | wc -c | grep -c .
         docker image inspect -f '{{.RepoTags}}' my:2; docker rmi my:2 | head -1; docker rmi my:1
         tar c -C /etc hostname | docker import -m imp - my:3; docker rmi my:3 | head -1
         docker rmi nosuch 2>/dev/null; echo $?; docker run --rm my:1 true >/dev/null 2>&1; echo $?",
    ),
];

/// For Debian's older release: what differs from newer ones on the wire.
const OLDER: [&str; 3] = ["status", "life", "images"];

fn ran(who: As<'_>, directory: &str, script: &str) -> Outcome {
    let path = format!("{directory}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let Outcome {
        status,
        stdout,
        stderr,
    } = who.env("PATH", &path).run("sh", &["-c", script]);
    Outcome {
        status,
        stdout: without_ids(&stdout),
        stderr: without_ids(&stderr),
    }
}

/// What the script does on the engine's socket, and through the gateway, if that is another thing.
fn difference(host: &TestHost, directory: &str, script: &str) -> Option<[Outcome; 2]> {
    let plain = ran(root(host).in_dir("/root"), directory, script);
    let ours = ran(alice(host), directory, script);
    (plain != ours).then_some([plain, ours])
}

#[test]
fn the_docker_command_does_the_same_as_on_the_engines_own_socket() {
    let host = TestHost::behind_gateway(1);
    let older = |(name, _): &&(&str, &str)| OLDER.contains(name);
    let newer = SCRIPTS.iter().map(|script| ("/usr/local/bin", script));
    let older = SCRIPTS
        .iter()
        .filter(older)
        .map(|script| ("/usr/bin", script));
    let differ: Vec<_> = newer
        .chain(older)
        .filter_map(|(directory, (name, script))| {
            let [plain, ours] = difference(&host, directory, script)?;
            Some((directory, name, plain, ours))
        })
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

#[test]
fn a_gpu_is_given_to_whoever_asks_for_one() {
    let host = TestHost::behind_gateway(1);
    let script = "docker run -d --name c --gpus 1 ds01-base sleep 100 >/dev/null
                  docker exec c sh -c 'echo $NVIDIA_VISIBLE_DEVICES'
                  docker run --rm --gpus all ds01-base true; echo $?; docker rm -f c
                  docker run --rm --gpus all ds01-base true; echo $?";
    let said = alice(&host).run("sh", &["-c", script]);
    assert_eq!(
        said.stdout,
        "GPU-5eed0000-0000-4000-8000-000000000000\n125\nc\n0\n"
    );
    assert!(said.stderr.contains("GPU"), "{}", said.stderr);
}
