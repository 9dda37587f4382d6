# shellcheck shell=sh
# What somebody who logs in on a terminal should know; not a word in scripts.
case $- in
*i*)
	if [ -t 1 ] && command -v ds01-notices >/dev/null &&
		{ [ -S /run/ds01/docker.sock ] || [ -w /var/lib/ds01 ]; }; then
		# A login waits for nobody.
		timeout --foreground 2 ds01-notices --login || true
	fi
	;;
esac
