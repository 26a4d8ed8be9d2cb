#!/bin/bash
# mmusim layout: regions and constants as text and JSON.
#
# Environment: MMUSIM, the program; CONFIGS, the shipped machines; DATA, tests/data.
. "$(dirname "${BASH_SOURCE[0]}")/cli.sh"

# has LINE ARGUMENT...: one line of the map
has() {
    local line=$1
    shift
    "$MMUSIM" layout "$@" >"$scratch/out" 2>"$scratch/err" || fail "layout $*: $(cat "$scratch/err")"
    grep -qxF -- "$line" "$scratch/out" || fail "layout $*: no line '$line'"
}

has '00000000  bfffffff        3 GB  user: user space, its own in every process' --config pentium3-i386
has 'c0000000  f6bfdfff   875.99 MB  direct map: low memory, from physical address 0' --config pentium3-i386
has 'fec00000  feffffff        4 MB  PKMAP: kmap: pages of high memory, one a slot' --config pentium3-i386
has 'PKMAP_BASE                         = 0xfec00000' --config pentium3-i386
has '80000000  f6bfdfff     1.86 GB  direct map: low memory, from physical address 0' --config pentium3-i386 --set os.split=2G/2G --set os.ram=3G
has '40000000  f6bfdfff     2.86 GB  direct map: low memory, from physical address 0' --config pentium3-i386 --set os.split=1G/3G --set os.ram=4G
has 'c0000000  f7ffffff      896 MB  direct map: low memory, from physical address 0' --config pentium3-i386 --set os.layout=classic
has 'c0000000  f6ffdfff   879.99 MB  direct map: low memory, from physical address 0' --config pentium4-pae
has 'ffffea0000000000  ffffeaffffffffff        1 TB  vmemmap: page descriptors, 64 bytes a frame (vmemmap_base)' --config skylake-sp-linux
has 'ffff888000000000  ffff88813fffffff        5 GB    RAM: up to the end of RAM: high_memory' --config skylake-sp-linux
has 'ffa0000000000000  ffd1ffffffffffff    12.50 PB  vmalloc: vmalloc and ioremap (vmalloc_base)' --config ice-lake-la57

# Each region begins where the one before it ends, up to the top; parts lie inside.
for machine in pentium3-i386 pentium4-pae skylake-sp-linux ice-lake-la57; do
    "$MMUSIM" layout --config "$machine" >"$scratch/out" || fail "$machine: exit status $?"
    at=0 regions=0
    while read -r start end rest; do
        [[ $start == start ]] && continue
        [[ $start ]] || break
        if [[ $rest =~ B\ \ \ \  ]]; then # a part
            [[ ! $start < "$first" && ! $end > "$last" ]] || fail "$machine: $start is no part of what ends at $last"
            continue
        fi
        [[ $((16#$start)) == "$at" ]] || fail "$machine: $start does not follow"
        at=$((16#$end + 1)) first=$start last=$end regions=$((regions + 1))
    done <"$scratch/out"
    [[ $last =~ ^f+$ && $regions -gt 10 ]] || fail "$machine: the map ends at $last"
done

"$MMUSIM" layout --config ice-lake-la57 --format json >"$scratch/json" || fail "json: exit status $?"
for text in '"PAGE_OFFSET": "0xff11000000000000"' '"end": "0xffffffffffffffff"' '"name": "direct map"' '"size": "0x80000000000000"' '"inside": true'; do
    grep -qF "$text" "$scratch/json" || fail "json: no $text"
done

"$MMUSIM" layout --config zen4 >"$scratch/out" 2>"$scratch/err"
[[ $? == 2 && ! -s $scratch/out && $(cat "$scratch/err") == "mmusim: zen4: os: not given; expected a machine with a kernel (as by --set os.ram=512M)" ]] ||
    fail "no os: said $(cat "$scratch/err")"
"$MMUSIM" layout --config pentium3-i386 >/dev/full 2>"$scratch/err" && fail "a full device went unnoticed"

verdict "all maps are as expected"
