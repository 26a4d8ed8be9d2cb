#!/bin/bash
# layers.sh SOURCE ROOM=FOLDER,FOLDER... : who may include whom, read from the text.
#
# The include paths of the build already keep a room from another's headers; this also catches what escapes them
# ("../hw/tlb.h", "hw/tlb.h", an absolute path) and what is only by chance not compiled today. The rooms and what they
# see come from src/CMakeLists.txt, so the rule stands in one place.
set -u
tree=$1
shift

# complain FILE:LINE WHY -> counted by its output
complain() { echo "${1#"$root"/}: $2"; }

# check_file FILE FOLDER... : each quoted header is a plain name found in one of the folders (or beside the file),
# each <header> is not a path into the rooms.
check_file() {
    local file=$1 line number name where found
    shift
    while IFS= read -r line; do
        number=${line%%:*}
        line=${line#*:}
        if [[ $line =~ ^[[:space:]]*#[[:space:]]*include[[:space:]]*\"([^\"]*)\" ]]; then
            name=${BASH_REMATCH[1]}
            if [[ $name == */* ]]; then
                complain "$file:$number" "\"$name\": a header of the house is included by its plain name"
                continue
            fi
            found=
            for where in "$@"; do
                [[ -e $where/$name ]] && found=yes
            done
            [[ $found ]] || complain "$file:$number" "\"$name\" is in no folder that this file may see"
        elif [[ $line =~ ^[[:space:]]*#[[:space:]]*include[[:space:]]*\<([^\>]*)\> ]]; then
            name=${BASH_REMATCH[1]}
            if [[ $name == *..* || $name == /* || $name =~ ^(src|sim|base|arch|hw|os|trace|top)/ ]]; then
                complain "$file:$number" "<$name> escapes the include paths"
            elif [[ $name == mmusim/* && ! -e $root/include/$name ]]; then
                complain "$file:$number" "<$name> is no public header"
            fi
        else
            complain "$file:$number" "a computed include hides what it includes"
        fi
    done < <(grep -nE '^[[:space:]]*#[[:space:]]*include' "$file")
}

# check TREE ROOM=FOLDERS... : prints every offence
check() {
    local root=$1 layer room folder file paths
    shift
    for layer in "$@"; do
        room=${layer%%=*}
        paths=()
        for folder in ${layer#*=}; do paths+=("$root/src/$folder"); done
        while IFS= read -r file; do
            check_file "$file" "${paths[@]}"
        done < <(find "$root/src/$room" -name '*.[ch]' 2>/dev/null | sort)
    done
    for folder in include/mmusim; do
        while IFS= read -r file; do check_file "$file"; done < <(find "$root/$folder" -name '*.h' 2>/dev/null | sort)
    done
    for folder in sim bench tests/vectors tests/consumer; do
        while IFS= read -r file; do
            check_file "$file" "$root/$folder"
        done < <(find "$root/$folder" -name '*.[ch]' 2>/dev/null | sort)
    done
    [[ -e $root/tests/example.c ]] && check_file "$root/tests/example.c"
}

layers=()
for layer in "$@"; do layers+=("${layer//,/ }"); done
status=0

# The check itself: in a scratch tree every kind of offence is found, and what is allowed passes.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch"/{src/base,src/arch,src/hw/port,src/trace,src/top,sim,bench,include/mmusim}
touch "$scratch"/src/{base/bits.h,arch/x86.h,hw/tlb.h,hw/port/port.h,top/pager.h} "$scratch"/{sim/args.h,include/mmusim/types.h}
expect() { # expect COUNT FILE INCLUDE
    echo "#include $3" >"$scratch/$2"
    local found
    found=$(check "$scratch" "${layers[@]}" | grep -c .)
    if [[ $found != "$1" ]]; then
        echo "self-test: $2 with #include $3: $found complaints, expected $1"
        status=1
    fi
    rm "$scratch/$2"
}
expect 0 src/hw/a.c '"bits.h"'
expect 0 src/hw/a.c '"port.h"'
expect 0 src/top/a.c '"tlb.h"'
expect 0 src/base/a.c '<mmusim/types.h>'
expect 0 src/base/a.c '<sys/mman.h>'
expect 0 sim/a.c '"args.h"'
expect 1 src/base/a.c '"x86.h"'
expect 1 src/arch/a.c '"tlb.h"'
expect 1 src/hw/a.c '"pager.h"'
expect 1 src/hw/a.c '"../base/bits.h"'
expect 1 src/trace/a.c '"tlb.h"'
expect 1 src/top/a.c '"hw/tlb.h"'
expect 1 src/top/a.c '<hw/tlb.h>'
expect 1 src/top/a.c '<../hw/tlb.h>'
expect 1 src/top/a.c 'HEADER'
expect 1 src/top/a.c '<mmusim/absent.h>'
expect 1 sim/a.c '"bits.h"'
expect 1 bench/a.c '"../src/base/bits.h"'
expect 1 include/mmusim/a.h '"bits.h"'

offences=$(check "$tree" "${layers[@]}")
if [[ $offences ]]; then
    echo "$offences"
    status=1
fi
exit $status
