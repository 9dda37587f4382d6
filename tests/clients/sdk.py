"""What programs do with docker-py."""

import os

import docker
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound

client = docker.from_env()
run = client.containers.run


def refused(call, kind, status):
    try:
        call()
    except kind as error:
        return getattr(error, "status_code", None) == status
    return False


assert client.ping()
assert run("ds01-base", "echo hi", remove=True) == b"hi\n"
try:
    run("ds01-base", "sh -c 'echo e >&2; exit 3'", remove=True)
    assert False
except ContainerError as error:
    assert (error.exit_status, error.stderr) == (3, b"e\n")
assert refused(lambda: run("ds01-base", privileged=True), APIError, 403)
assert refused(lambda: client.containers.get("nosuch"), NotFound, 404)
assert refused(lambda: client.images.get("nosuch"), ImageNotFound, 404)

one = run("ds01-base", "sh -c 'echo a; sleep 100'", name="one", detach=True, labels={"l": "m"})
one.reload()
assert (one.name, one.status) == ("one", "running")
assert [c.id for c in client.containers.list(filters={"label": "l=m"})] == [one.id]
assert one.exec_run("sh -c 'echo o; echo e >&2; exit 4'", demux=True) == (4, (b"o\n", b"e\n"))
assert list(one.exec_run("echo z", stream=True).output) == [b"z\n"]
assert next(one.logs(stream=True, follow=True)) == b"a\n"
assert one.stats(stream=False)["name"] == "/one"
# This engine would mount what it copies on the host.
assert refused(lambda: one.get_archive("/etc/passwd"), APIError, 403)
assert refused(lambda: one.put_archive("/tmp", b""), APIError, 403)
one.pause()
one.unpause()
one.rename("two")
assert client.containers.get("two").id == one.id

assert one.commit("made", "1").tags == ["made:1"]
assert [i.tags for i in client.images.list(name="made")] == [["made:1"]]
made = client.images.get("made:1")
assert sum(map(len, made.save())) > 1000 and made.history()
assert made.tag("other", "x")
client.images.remove("made:1")
client.images.remove("other:x")
assert client.images.pull("ds01-base", tag="latest").tags == ["ds01-base:latest"]

volume = client.volumes.create("data", labels={"a": "b"})
assert volume.attrs["Labels"] == {"a": "b"}
assert [v.name for v in client.volumes.list()] == ["data"]
data = {"data": {"bind": "/d", "mode": "rw"}}
run("ds01-base", "sh -c 'echo q >/d/f'", volumes=data, remove=True)
mount = docker.types.Mount("/d", "data")
assert run("ds01-base", "cat /d/f", mounts=[mount], remove=True) == b"q\n"
volume.remove()
home = [os.environ["HOME"] + ":/h"]
assert run("ds01-base", "id -u", volumes=home, remove=True) == b"%d\n" % os.getuid()

network = client.networks.create("net", driver="bridge", check_duplicate=True)
assert [n.name for n in client.networks.list(names=["net"])] == ["net"]
network.connect("two", aliases=["other"])
network.reload()
assert [c.name for c in network.containers] == ["two"]
network.disconnect("two")
assert run("ds01-base", "hostname", network="net", hostname="h", remove=True) == b"h\n"
network.remove()

gpu = docker.types.DeviceRequest(count=1, capabilities=[["gpu"]])
said = run("ds01-base", "sh -c 'echo $NVIDIA_VISIBLE_DEVICES'", device_requests=[gpu], remove=True)
assert said.startswith(b"GPU-"), said
events = client.events(decode=True, filters={"type": "container", "event": "die"})
one.kill()
event = next(events)
assert event["Actor"]["Attributes"]["name"] == "two"
events.close()
assert one.wait()["StatusCode"] == 137
one.restart(timeout=1)
one.stop(timeout=0)
assert client.containers.prune()["ContainersDeleted"] == [one.id]
assert client.df()["Containers"] is not None and client.info()["Containers"] == 0
print("all of it")
