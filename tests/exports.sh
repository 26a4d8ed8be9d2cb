#!/bin/bash
# exports.sh LIBRARY: the shared library exports mmu_* names and nothing else, and at least some.
set -u
names=$(nm -D --defined-only "$1" | awk '{print $NF}')
foreign=$(grep -v '^mmu_' <<<"$names")
[[ -z $foreign ]] || { echo "exported, but not ours:"; echo "$foreign"; exit 1; }
[[ $names ]] || { echo "$1 exports nothing"; exit 1; }
