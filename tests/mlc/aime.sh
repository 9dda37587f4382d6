#!/bin/bash
# What AIME's MLC version 1 asks of docker, call by call: aime.sh VERB [NAME]. Its commands are known
# by these calls alone; what they print around them is left out.
set -u

names_of() { # NAME [-a]
	docker container ps ${2:+"$2"} --filter="name=^/$1\$" --filter=label=aime.mlc --format '{{.Names}}'
}

# Its containers have the uid in their names; where there is none, the name is taken as it is.
find_tag() {
	for tag in "$1._.$(id -u)" "$1"; do
		[ "$(names_of "$tag" -a)" = "$tag" ] && return
	done
	echo "[$1] does not exist" >&2
	exit 3
}

runs() { [ "$(names_of "$tag")" = "$tag" ]; }

verb=$1
[ $# -lt 2 ] || find_tag "$2"
case $verb in
list)
	docker container ls -a --filter="label=aime.mlc=$(id -un)" \
		--format 'table [{{index (split .Names "._.") 0}}]\t{{.Label "aime.mlc.FRAMEWORK"}}\t{{.Status}}'
	;;
list-all)
	docker container ls -a --filter=label=aime.mlc \
		--format 'table [{{index (split .Names "._.") 0}}]\t{{.Label "aime.mlc.USER"}}\t{{.Status}}'
	;;
stats)
	docker container stats --no-stream --format 'table [{{.Name}}]\t{{.CPUPerc}}\t{{.MemUsage}}'
	;;
start)
	[ "$(docker start "$tag")" = "$tag" ]
	;;
open)
	runs || docker container start "$tag" >/dev/null
	docker exec -it -e DISPLAY="${DISPLAY-}" --user "$(id -u):$(id -g)" "$tag" bash
	# Its own shell and one process more keep a container up.
	if [ "$(docker top "$tag" -o pid | wc -l)" -le 2 ]; then
		docker container stop "$tag"
	fi
	;;
stop)
	runs || exit 2
	docker container stop "$tag"
	;;
remove)
	! runs || exit 2
	image=$(docker container ps -a --filter="name=^/$tag\$" --filter=label=aime.mlc --format '{{.Image}}')
	docker container rm "$tag" && docker image rm "$image"
	;;
esac
