# shellcheck shell=bash
# Completion of DS01's commands for bash: each command says itself what can stand at the cursor.
# `make man` writes the last line.

_ds01() {
	local index word line before rest=${COMP_LINE:0:COMP_POINT}
	local -a words=()
	COMPREPLY=()
	# A file that somebody has put here is not run because its name is typed.
	if [[ ${COMP_WORDS[0]} == */* ]]; then
		compopt -o default
		return
	fi
	rest=${rest#*"${COMP_WORDS[0]}"}
	# Bash breaks words at = and : too, which belong to options and images here: only blanks count.
	for ((index = 1; index <= COMP_CWORD; index++)); do
		line=${rest#"${rest%%[![:blank:]]*}"}
		word=${COMP_WORDS[index]}
		[[ $index -lt $COMP_CWORD ]] || word=$line
		if [[ $line == "$rest" && ${#words[@]} -gt 0 ]]; then
			words[-1]+=$word
		else
			words+=("$word")
		fi
		rest=${line#"$word"}
	done
	# The part of the word that bash keeps as it is.
	before=${words[-1]%"${words[-1]##*[=:]}"}
	while IFS= read -r line; do
		if [[ $line == :files ]]; then
			compopt -o default
			return
		fi
		word=${line%%$'\t'*}
		[[ $word != *= ]] || compopt -o nospace
		COMPREPLY+=("${word#"$before"}")
	done < <(command -- "${COMP_WORDS[0]}" --complete "${words[@]}" 2>/dev/null)
}
complete -F _ds01 check check-limits container container-attach container-cleanup container-create container-deploy container-exit container-extend container-list container-owner-tracker container-pause container-remove container-retire container-run container-start container-stats container-stop container-unpause dashboard ds01-adopt ds01-doctor ds01-events ds01-gateway ds01-holds ds01-idle ds01-notices ds01-queue ds01-runtime ds01-slices gpu gpu-queue gpu-reserve gpu-status image image-create image-delete image-list image-update mlc-create mlc-list mlc-open mlc-remove mlc-start mlc-stats mlc-stop project project-init project-launch user user-setup
