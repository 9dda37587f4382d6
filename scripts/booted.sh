# shellcheck shell=sh
# A Debian that systemd can boot, and what it sees of this repository; sourced after common.sh.

need_packages docker.io debootstrap busybox-static bash-static
scripts/deb

# For what is made beside that Debian; whoever sources this removes it.
directory=$(mktemp -d /tmp/ds01-booted.XXXXXX)

# shellcheck disable=SC2154  # of common.sh
# Makes target/$1.tar, a Debian as it is before DS01 comes, with the packages $2 too. It is kept.
debian() {
	packages=systemd,dbus,libpam-systemd,docker.io,iptables,procps,cron,logrotate,passwd,libnss-extrausers${2:+,$2}
	if [ -e "$target/$1.tar" ] && [ "$(cat "$target/$1.packages" 2>/dev/null)" = "$packages" ]; then
		return
	fi
	debootstrap --variant=minbase --include="$packages" bookworm "$directory/root" "$(mirror)" >"$directory/debootstrap.log" ||
		{ tail "$directory/debootstrap.log" >&2; exit 1; }
	rm -rf "$directory/root/var/cache/apt/archives" "$directory/root/var/lib/apt/lists"
	tar -C "$directory/root" -cf "$target/$1.tar.new" .
	mv "$target/$1.tar.new" "$target/$1.tar"
	echo "$packages" >"$target/$1.packages"
	rm -rf "$directory/root"
}

# Puts into the folder $1 what is seen there as /ds01: the package, the tests, the simulated GPUs, an
# image for users.
share() {
	mkdir -p "$1/gpus" "$1/bin"
	cp tests/install/* scripts/base-image "$target"/ds01_*.deb "$1/"
	cp "$target/release/nvidia-container-runtime-hook" "$1/gpus/"
	cp "$target/release/libnvml_sim.so" "$1/gpus/libnvidia-ml.so.1"
	cp crates/nvml-sim/topologies/a100-mig.json "$1/gpus/nvml-sim.json"
	cp "$(command -v busybox)" "$(command -v bash-static)" "$1/bin/"
}
