# shellcheck shell=sh
# What the parts share; sourced first.
# shellcheck disable=SC2034  # for the parts
image=ds01-base

# Says what holds. $1: the claim; the others: a command that must succeed.
holds() {
	claim=$1
	shift
	if "$@" >/tmp/said 2>&1; then
		echo "ok  $claim"
	else
		echo "NOT $claim: $*" >&2
		cat /tmp/said >&2
		exit 1
	fi
}

# The same, for a command that must fail with the status $2.
fails() {
	claim=$1
	expected=$2
	shift 2
	status=0
	"$@" >/tmp/said 2>&1 || status=$?
	if [ "$status" -eq "$expected" ]; then
		echo "ok  $claim"
	else
		echo "NOT $claim: status $status, not $expected: $*" >&2
		cat /tmp/said >&2
		exit 1
	fi
}

# Waits until a command succeeds: $1 seconds at most.
within() {
	seconds=$1
	shift
	end=$(($(cut -d. -f1 /proc/uptime) + seconds))
	until "$@" >/dev/null 2>&1; do
		[ "$(cut -d. -f1 /proc/uptime)" -lt "$end" ] || return 1
		sleep 0.2
	done
}

# Whether the list $2 of the unit $1 has the unit $3.
has() {
	systemctl show "$1" --property="$2" --value | tr ' ' '\n' | grep -qxF "$3"
}

# Runs a command line as the user $1 who has logged in, without a terminal.
as() {
	user=$1
	shift
	su - "$user" -c "$*"
}

# The same at a terminal, which is theirs then.
at_terminal() {
	user=$1
	shift
	script -qec "login -f $user" /dev/null <<-END
		$*
		exit
	END
}

# Says that the service which follows the engine at the socket $1 finds a container that is made there as $2.
finds() {
	uuid=$(gpu-status --format=json | grep -o '"MIG-[^"]*"' | tail -n 1 | tr -d '"')
	docker -H "unix://$1" run -d --name "$2" --gpus "device=$uuid" "$image" sleep 1000 >/dev/null
	holds "the service finds what root makes past DS01" within 60 logged detection.container_discovered "$2"
	holds "and it is nobody's" within 60 logged detection.unmanaged_container "$2"
	docker -H "unix://$1" rm -f "$2" >/dev/null
}

# Says that Docker stays at the socket $1, whatever becomes of systemd's files and of itself.
keeps_its_place() {
	systemctl reset-failed
	systemctl daemon-reload
	holds "after a reload of systemd, Docker can be restarted" systemctl restart docker
	holds "and is where it was" docker -H "unix://$1" version
	crashed=$(cat /run/docker.pid)
	kill -KILL "$crashed"
	holds "after a crash it comes back" within 60 sh -c "[ \"\$(cat /run/docker.pid)\" != $crashed ] && docker -H unix://$1 version"
	systemctl reset-failed
	systemctl restart docker.socket docker 2>/dev/null
	holds "its socket can be made anew" docker -H "unix://$1" version
	holds "and systemd has it" sh -c "ds01-doctor --format=simple | grep -q '^ok	activation'"
}

# The engine's name of alice's container $1.
of_alice() {
	echo "$1._.$(id -u alice)"
}

# Whether an event of this type ($1) names the container ($2).
logged() {
	grep "\"event_type\":\"$1\"" /var/log/ds01/events.jsonl | grep -qF "$2"
}

# Each device and who holds it, whatever state their container is in.
holders() {
	gpu-status --format=simple | awk -F '\t' '{ sub(/ \(.*/, "", $NF); print $1, $(NF - 1), $NF }'
}

# Whether alice's container $1 is in the state $2.
is() {
	docker ps -a --filter "name=^/$(of_alice "$1")\$" --format '{{.State}}' | grep -qx "$2"
}

# Whether it is no more.
gone() {
	! docker inspect "$(of_alice "$1")"
}

# Whether its device is nobody's.
freed() {
	! gpu-status --format=simple | grep -qF "$(of_alice "$1")"
}

# Whether the kernel has a line like $3 for alice's slice: in its file $1, or $2 in the older cgroups.
kernel_has() {
	slice=$(systemctl show ds01-student-alice.slice --property=ControlGroup --value)
	for file in "/sys/fs/cgroup$slice/$1" /sys/fs/cgroup/*"$slice/$2"; do
		[ ! -e "$file" ] || cat "$file"
	done | grep -qx "$3"
}

# Whether alice has been told of her turn in the line.
told() {
	as alice ds01-notices >>/tmp/notices 2>&1
	grep -q 'your turn has come' /tmp/notices
}

# Hours as the policy has them, of the seconds $1.
hours() {
	awk "BEGIN { print $1 / 3600 }"
}
