# Completion of DS01's commands for fish: each command says itself what can stand at the cursor.
# `make man` writes the line with their names.

function __ds01_candidates
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    # A file that somebody has put here is not run because its name is typed.
    if string match -q -- '*/*' $words[1]
        __fish_complete_path $current
        return
    end
    set -l lines (command $words[1] --complete $words[2..] "$current" 2>/dev/null)
    if test "$lines" = ":files"
        set -l option (string match -r '^--[^=]*=' -- $current)
        for path in (__fish_complete_path (string replace -r '^--[^=]*=' '' -- $current))
            # In quotes: without an option, its list is empty, and so would be the word.
            echo "$option$path"
        end
        return
    end
    string collect -- $lines
end

for command in check check-limits container container-attach container-cleanup container-create container-deploy container-exit container-extend container-list container-owner-tracker container-pause container-remove container-retire container-run container-start container-stats container-stop container-unpause dashboard ds01-adopt ds01-doctor ds01-events ds01-gateway ds01-holds ds01-idle ds01-notices ds01-queue ds01-runtime ds01-slices gpu gpu-queue gpu-reserve gpu-status image image-create image-delete image-list image-update mlc-create mlc-list mlc-open mlc-remove mlc-start mlc-stats mlc-stop project project-init project-launch user user-setup
    complete -c $command -f -a '(__ds01_candidates)'
end
