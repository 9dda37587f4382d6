# shellcheck shell=sh
# What the scripts share; sourced after `set -eu`. Leaves the caller in the repository.

repository=$(cd "$(dirname "$0")/.." && pwd)
cd "$repository" || exit

# Under sudo, root's PATH has no cargo, but that of the user who typed it may.
if ! command -v cargo >/dev/null && [ -n "${SUDO_USER-}" ]; then
	invoker=$(getent passwd "$SUDO_USER" | cut -d: -f6)
	if [ -x "$invoker/.cargo/bin/cargo" ]; then
		export CARGO_HOME="$invoker/.cargo" RUSTUP_HOME="$invoker/.rustup" PATH="$invoker/.cargo/bin:$PATH"
	fi
fi

# Where the builds are; for the scripts that source this.
# shellcheck disable=SC2034
target=${CARGO_TARGET_DIR:-$repository/target}

# Ends unless root runs this. $1: the target of make.
need_root() {
	if [ "$(id -u)" -ne 0 ]; then
		echo "make: $1 needs root (sudo make $1): it starts an engine of its own and switches between users" >&2
		exit 1
	fi
}

# Whether a Debian package, or another that does its work, is there.
has_package() {
	case $1 in
	docker.io) command -v dockerd >/dev/null && command -v docker >/dev/null ;;
	gcc) command -v cc >/dev/null ;;
	git) command -v git >/dev/null ;;
	openssh-client) command -v ssh-keygen >/dev/null ;;
	*) dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q ' installed$' ;;
	esac
}

# Installs those of the Debian packages $@ that are missing.
need_packages() {
	missing=
	for package in "$@"; do
		has_package "$package" || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "make: needs the packages$missing (sudo apt-get install$missing)" >&2
		exit 1
	fi
	echo "installing$missing" >&2
	export DEBIAN_FRONTEND=noninteractive
	# One at a time: apt gives up where another has its lock.
	(
		flock 9
		# Services that it starts do not hold this one.
		apt-get update -qq 9>&-
		# Word splitting is meant: one argument per package.
		# shellcheck disable=SC2086
		apt-get install -qq -y --no-install-recommends $missing </dev/null >/dev/null 9>&-
	) 9<scripts/common.sh
}

# The commands that the project builds.
commands() {
	sed -n '/^\[\[bin\]\]/,/^$/s/^name = "\(.*\)"/\1/p' Cargo.toml
}

# The first address that this host itself gets packages from.
mirror() {
	# shellcheck disable=SC2016  # apt's own variables
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1
}
