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
