#!/bin/sh
# Outlives the test: when its input ends, the test has ended, or was killed, and all that its host
# started is ended and removed. $1: the host's directory.
read -r _
cd /
/mnt/scripts/engine kill "$1/engine"
# What is left in this mount namespace was started by the test.
own=$(readlink /proc/self/ns/mnt)
for process in $(find /proc/[0-9]*/ns -name mnt -printf '%l/%h\n' 2>/dev/null | grep -F "$own/" | cut -d/ -f4); do
	[ "$process" = $$ ] || kill -KILL "$process" 2>/dev/null
done
# What a test mounted, in this namespace alone.
cut -d' ' -f5 /proc/self/mountinfo | grep -F "$1/" | sort -r | while read -r mounted; do
	umount -l "$mounted"
done
rm -rf "$1"
