#!/bin/bash
# tour.sh SOURCE DIRECTORY...: runs the commands of the README's console blocks, with the programs in these directories,
# and compares what they print. A line "..." stands for any lines. Standard error is compared only where a command
# sends it to standard output.
set -u
cd "$1" || exit 2
shift
PATH=$(IFS=: && echo "$*"):$PATH
status=0 commands=0
wanted=() command=

# Runs $command, compares with wanted[].
compare() {
    local got line at=0 skip=""
    [[ $command ]] || return
    mapfile -t got < <(eval "$command" 2>/dev/null)
    while [[ ${#got[@]} -gt 0 && ! ${got[-1]} ]]; do
        unset 'got[-1]' # blank lines at the end
    done
    commands=$((commands + 1))
    for line in "${wanted[@]}"; do
        [[ $line == "..." ]] && skip=yes && continue
        while [[ $skip && $at -lt ${#got[@]} && ${got[at]} != "$line" ]]; do
            at=$((at + 1))
        done
        if [[ $at -ge ${#got[@]} || ${got[at]} != "$line" ]]; then
            printf '%s\n  the README has:     %s\n  the program prints: %s\n' "$command" "$line" "${got[at]-(nothing more)}"
            status=1
            return
        fi
        at=$((at + 1)) skip=
    done
    if [[ ! $skip && $at -lt ${#got[@]} ]]; then
        printf '%s\n  the README ends before: %s\n' "$command" "${got[at]}"
        status=1
    fi
}

inside=
while IFS= read -r line; do
    if [[ $line == '```console' ]]; then
        inside=yes command=
    elif [[ $inside && $line == '```' ]]; then
        compare
        inside=
    elif [[ $inside && $line == '$ '* ]]; then
        compare
        command=${line:2} wanted=()
    elif [[ $inside ]]; then
        wanted+=("$line")
    fi
done <README.md
echo "$commands commands compared"
[[ $commands -gt 0 ]] || status=1
exit $status
