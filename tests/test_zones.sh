#!/bin/bash
# mmusim zones: the recorded kernels' own words, other views, JSON, and what it says to bad input.
#
# Environment: MMUSIM, the program; CONFIGS, the shipped machines; DATA, tests/data.
. "$(dirname "${BASH_SOURCE[0]}")/cli.sh"

refused() {
    says_no "$1" zones "${@:2}"
}

# machine RECORDING BASE ARCH: a machine with that firmware's map, and the pages that its kernel managed
machine() {
    awk -v base="$2" -v arch="$3" '
        BEGIN { print "inherit: " base; print "os:"; print "  arch: " arch; print "  e820:" }
        /^0x/ {
            type = /RAM/ ? "ram" : "reserved"
            if ($2 != "0xffffffffffffffff") print "    - {start: " $1 ", end: " plus($2) ", type: " type "}"
        }
        /^== zoneinfo/ { infos++ }
        infos == 1 && /^Node/ { zone = tolower($4) }
        infos == 1 && $1 == "managed" && zone != "device" { list = list (list ? ", " : "") zone ": " $2 }
        END { print "  managed: {" list "}" }
        function plus(hex,   i, c, digits) { # one more than a number that ends with f
            for (i = length(hex); substr(hex, i, 1) == "f"; i--) digits = digits "0"
            c = substr(hex, i, 1)
            if (c == "x") return substr(hex, 1, i) "1" digits
            return substr(hex, 1, i - 1) substr("123456789abcdef", index("0123456789abcde", c), 1) digits
        }' "$DATA/kernel/zones-$1.txt"
}

# Each recording under each of its settings, line by line, but for what depends on what the kernel had done by then.
compared=0
while read -r name base arch names; do
    machine "$name" "$base" "$arch" >"$scratch/$name.yaml"
    while IFS= read -r header; do
        read -r mfk wsf ratios < <(sed 's/.*min_free_kbytes=\([0-9]*\) wsf=\([0-9]*\) ratio=/\1 \2 /' <<<"$header")
        sets=(--set "os.sysctls.min-free-kbytes=$mfk" --set "os.sysctls.watermark-scale-factor=$wsf")
        read -ra ratio <<<"$ratios"
        i=0
        for zone in $names; do
            sets+=(--set "os.sysctls.lowmem-reserve-ratio.$zone=${ratio[i++]}")
        done
        awk -v header="$header" '$0 == header { on = 1; next } /^==/ { on = 0 } on' "$DATA/kernel/zones-$name.txt" >"$scratch/wanted"
        "$MMUSIM" zones --config "$scratch/$name.yaml" "${sets[@]}" >"$scratch/got" 2>"$scratch/err" || fail "$name: $(cat "$scratch/err")"
        [[ ! -s $scratch/err ]] || fail "$name: said $(cat "$scratch/err")"
        grep -qx "min_free_kbytes $mfk" "$scratch/got" || fail "$name: no min_free_kbytes $mfk"
        sed -E '/^      nr_|^ +count:|^min_free|^totalreserve/d; s/^(  pages free) .*/\1/' "$scratch/got" |
            cmp -s - "$scratch/wanted" || fail "$name, $header: other lines"
        compared=$((compared + 1))
    done < <(grep '^== zoneinfo' "$DATA/kernel/zones-$name.txt")
    total=$(grep -o 'totalreserve=[0-9]*' "$DATA/kernel/zones-$name.txt")
    header=$(grep -m1 '^== zoneinfo' "$DATA/kernel/zones-$name.txt")
    mfk=${header#*min_free_kbytes=}
    "$MMUSIM" zones --config "$scratch/$name.yaml" --set "os.sysctls.min-free-kbytes=${mfk%% *}" |
        grep -qx "totalreserve_pages ${total#*=}" || fail "$name: not $total"
done <<'LIST'
i386-512M pentium3 i386 dma normal highmem movable
i386-1536M pentium3 i386 dma normal highmem movable
pae-1536M core2 i386_pae dma normal highmem movable
amd64-1024M skylake-sp x86_64 dma dma32 normal movable
amd64-4096M skylake-sp x86_64 dma dma32 normal movable
LIST
[[ $compared == 25 ]] || fail "$compared recordings compared, not 25"

# Views.
"$MMUSIM" zones --config skylake-sp --set os.ram=1G --view buddyinfo >"$scratch/out" || fail "buddyinfo: exit status $?"
[[ $(head -1 "$scratch/out") == "Node 0, zone      DMA      0      0      0      0      0      0      0      0      1      1      3 " ]] ||
    fail "buddyinfo: $(head -1 "$scratch/out")"
[[ $(wc -l <"$scratch/out") == 2 ]] || fail "buddyinfo: $(cat "$scratch/out")"
"$MMUSIM" zones --config pentium3-i386 --view meminfo | grep -qx 'HighTotal:        675720 kB' || fail "meminfo: no HighTotal"
"$MMUSIM" zones --config pentium3-i386 --view meminfo | grep -qx 'VmallocTotal:     122880 kB' || fail "meminfo: no VmallocTotal"
"$MMUSIM" zones --config pentium3-i386 --view iomem | grep -qx '  01000000-017fffff : Kernel code' || fail "iomem: no kernel"
"$MMUSIM" zones --config pentium3-i386 --view iomem | grep -qx '00100000-5ffdffff : System RAM' || fail "iomem: no RAM"
"$MMUSIM" zones --config pentium3-i386 --view pagetypeinfo | grep -qx 'Pages per block:  1024' || fail "pagetypeinfo: no blocks of 1024"
"$MMUSIM" zones --config pentium3-i386 --view unusable_index | grep -q '^Node 0, zone      DMA 0.000 ' || fail "unusable_index"

# JSON holds the same figures.
"$MMUSIM" zones --config pentium3-i386 --format json >"$scratch/json" || fail "json: exit status $?"
for figure in '"spanned": 220158' '"present": 168930' '"name": "HighMem"' '"kind": "page descriptors"' '"mem_map_bytes": 15728640'; do
    grep -q "$figure" "$scratch/json" || fail "json: no $figure"
done

# RAM out of reach: a note, and the machine boots.
"$MMUSIM" zones --config pentium3-i386 --set os.ram=6G >"$scratch/out" 2>"$scratch/err" || fail "6G: exit status $?"
[[ $(cat "$scratch/err") == "mmusim: pentium3-i386: note: 3072 MiB of RAM at 0x100000000 to 0x1bfffffff lie beyond the 4 GiB that an i386 kernel without PAE reaches, and are ignored" ]] ||
    fail "6G: said $(cat "$scratch/err")"
grep -q 'spanned  562146' "$scratch/out" || fail "6G: HighMem does not reach to 3 GiB"

refused "zones: expected --config MACHINE"
refused "pentium3: os: not given; expected a machine with a kernel (as by --set os.ram=512M)" --config pentium3
refused "zones: expected no 'x'" --config pentium3-i386 x
refused "os.ram: not given; expected the size of the RAM, or os.e820, the firmware's map" --config pentium3-i386 --set os.ram=auto
refused "os.nr-cpus=0: expected a number from 1 to 8192, or auto, got '0'" --config pentium3-i386 --set os.nr-cpus=0
refused "this kernel does not boot; expected less RAM, os.split with more kernel space, or an x86_64 kernel" --config pentium4-pae --set os.ram=64G
refused "os.ram=18446744073709551615: os.ram: 0xffffffffffffffff bytes reach beyond 2^64" --config pentium4-pae --set os.ram=18446744073709551615
printf 'inherit: pentium3\nos:\n  arch: i386\n  e820:\n    - {start: 0, size: 1G}\n    - {start: 512M, size: 1G}\n' >"$scratch/overlap.yaml"
refused "overlap.yaml:6:8: os.e820.1.start: 0x20000000 to 0x5fffffff overlaps os.e820.0, 0x0 to 0x3fffffff; expected ranges that do not" \
    --config "$scratch/overlap.yaml"
refused "zones: --format json prints the zones; expected no --view meminfo" --config pentium3-i386 --format json --view meminfo

verdict "$compared recorded texts are reproduced; all other texts are as expected"
