#!/bin/bash
# layers.sh SOURCE ROOM=FOLDER,FOLDER... : who may include whom, read from the text.
#
# The include paths of the build already keep a room from another's headers; this also catches what escapes them
# ("../hw/tlb.h", "hw/tlb.h", an absolute path) and what is only by chance not compiled today. The rooms and what they
# see come from src/CMakeLists.txt, so the rule stands in one place.
set -u
tree=$1
shift

# check_includes FOLDER... <FILE:LINE:TEXT lines : a quoted header is a plain name found in one of the folders, a <header>
# is not a path into the rooms. Prints every offence.
check_includes() {
    local file line text name folder found
    while IFS=: read -r file line text; do
        if [[ $text =~ ^[[:space:]]*#[[:space:]]*include[[:space:]]*\"([^\"]*)\" ]]; then
            name=${BASH_REMATCH[1]} found=
            for folder in "$@"; do
                [[ $name != */* && -e $root/$folder/$name ]] && found=yes
            done
            [[ $found ]] || echo "$file:$line: \"$name\" is no plain name of a header that this file may see"
        elif [[ $text =~ ^[[:space:]]*#[[:space:]]*include[[:space:]]*\<([^\>]*)\> ]]; then
            name=${BASH_REMATCH[1]}
            if [[ $name == *..* || $name == /* || $name =~ ^(src|sim|base|arch|hw|os|trace|top)/ ]]; then
                echo "$file:$line: <$name> escapes the include paths"
            elif [[ $name == mmusim/* && ! -e $root/include/$name ]]; then
                echo "$file:$line: <$name> is no public header"
            fi
        else
            echo "$file:$line: a computed include hides what it includes"
        fi
    done
}

# includes PLACE: every include below a folder or in a file, as FILE:LINE:TEXT
includes() { (cd "$root" && grep -rnE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include' "$1" 2>/dev/null /dev/null); }

# check ROOM=FOLDER,FOLDER... : every offence in the tree $root
check() {
    local layer folders place
    for layer in "$@"; do
        IFS=, read -ra folders <<<"${layer#*=}"
        check_includes "${folders[@]/#/src/}" < <(includes "src/${layer%%=*}")
    done
    for place in sim bench tests/vectors tests/consumer; do
        check_includes "$place" < <(includes "$place")
    done
    for place in include $(cd "$root" && compgen -G 'tests/example*.c'); do
        check_includes < <(includes "$place") # not even their own folder's
    done
}

status=0

# The check itself first: in a scratch tree every kind of offence is found, and what is allowed passes.
root=$(mktemp -d)
scratch=$root
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$root"/{src/base,src/arch,src/hw/port,src/trace,src/top,sim,bench,tests,include/mmusim}
touch "$root"/src/{base/bits.h,arch/x86.h,hw/tlb.h,hw/port/port.h,top/pager.h} "$root"/{sim/args.h,include/mmusim/types.h}
wanted=
sample() { # sample ok|bad FILE INCLUDE
    echo "#include $3" >"$root/$2"
    [[ $1 == ok ]] || wanted+="$2"$'\n'
}
sample ok src/hw/1.c '"bits.h"'
sample ok src/hw/2.c '"port.h"'
sample ok src/top/3.c '"tlb.h"'
sample ok src/base/4.c '<mmusim/types.h>'
sample ok src/base/5.c '<sys/mman.h>'
sample ok sim/6.c '"args.h"'
sample bad src/base/a.c '"x86.h"'
sample bad src/arch/b.c '"tlb.h"'
sample bad src/hw/c.c '"pager.h"'
sample bad src/hw/d.c '"../base/bits.h"'
sample bad src/trace/e.c '"tlb.h"'
sample bad src/top/f.c '"hw/tlb.h"'
sample bad src/top/g.c '<hw/tlb.h>'
sample bad src/top/h.c '<../hw/tlb.h>'
sample bad src/top/i.c 'HEADER'
sample bad src/top/j.c '<mmusim/absent.h>'
sample bad sim/k.c '"bits.h"'
sample bad bench/l.c '"../src/base/bits.h"'
sample bad include/mmusim/m.h '"bits.h"'
sample bad tests/example_n.c '"rig.h"'
found=$(check "$@" | cut -d: -f1 | sort)
wanted=$(sort <<<"${wanted%$'\n'}")
if [[ $found != "$wanted" ]]; then
    echo "self-test: < expected offences, > found"
    diff <(echo "$wanted") <(echo "$found")
    status=1
fi

root=$tree
offences=$(check "$@")
if [[ $offences ]]; then
    echo "$offences"
    status=1
fi
exit $status
