#!/bin/bash
# mmusim walk: against the page tables of real kernels and what QEMU says of each address, and against bad input.
#
# Environment: MMUSIM, the program; DATA, tests/data.
. "$(dirname "${BASH_SOURCE[0]}")/cli.sh"
[[ -x $MMUSIM ]] || { echo "no program '$MMUSIM'"; exit 1; }

# same NAME EXPECTED ACTUAL: two files agree
same() {
    [[ -s $2 ]] || fail "$1: nothing to compare"
    diff "$2" "$3" >"$scratch/diff" || fail "$1: $(grep -c '^[<>]' "$scratch/diff") lines differ, first: $(sed -n 2,3p "$scratch/diff")"
}

# register FILE NAME -> its value
register() { awk -v name="$2" '$1 == name { print $3 }' "$1"; }

# registers FOLDER -> the options that describe its machine
registers() {
    local file=$1/registers.txt
    echo "--image $1/pagetables.elf.xz --cr0 $(register "$file" CR0) --cr3 $(register "$file" CR3)" \
        "--cr4 $(register "$file" CR4) --efer $(register "$file" EFER)"
}

# vectors.txt -> what walk prints
expected_walks='
    /^#/ { next }
    $3 != "not-present" { sub("size=", "", $4); print $1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12; next }
    { sub("why=", "", $4) }
    $4 == "non-canonical" { print $1, "fault GP", $4; next }
    { print $1, "fault 0x0", $4, $5, $6 }'

check_image() {
    local folder=$1 name mode options
    name=$(basename "$folder")
    options=$(registers "$folder")
    gzip -dc "$folder/vectors.txt.gz" >"$scratch/vectors"
    awk "$expected_walks" "$scratch/vectors" >"$scratch/expected"
    sed '/^#/d; s/ .*//' "$scratch/vectors" >"$scratch/addresses"
    # shellcheck disable=SC2086
    "$MMUSIM" walk $options - <"$scratch/addresses" >"$scratch/actual" || fail "$name: exit status $?"
    same "$name" "$scratch/expected" "$scratch/actual"

    # The mode alone gives the same as the registers, but for NX and G, which depend on registers.
    case $(register "$folder/registers.txt" MODE) in
        32) mode=i386 ;;
        pae) mode=i386_pae ;;
        4l) mode=x86_64 ;;
        5l) mode=x86_64_la57 ;;
    esac
    "$MMUSIM" walk --image "$folder/pagetables.elf.xz" --mode $mode --cr3 "$(register "$folder/registers.txt" CR3)" - \
        <"$scratch/addresses" >"$scratch/actual" || fail "$name: exit status $?"
    same "$name --mode $mode" "$scratch/expected" "$scratch/actual"

    # An explained walk begins with the same line; JSON says the same addresses.
    # shellcheck disable=SC2086
    "$MMUSIM" walk $options --explain - <"$scratch/addresses" | grep ^0x >"$scratch/actual"
    same "$name --explain" "$scratch/expected" "$scratch/actual"
    # shellcheck disable=SC2086
    "$MMUSIM" walk $options --format json - <"$scratch/addresses" | sed -n 's/.*"paddr": "\(.*\)",/\1/p' >"$scratch/actual"
    awk '$2 != "fault" { print $2 }' "$scratch/expected" >"$scratch/paddrs"
    same "$name --format json" "$scratch/paddrs" "$scratch/actual"
}

# What the walk of each access says is what the process saw. At and above TASK_SIZE Linux sets P itself, so it does not count there; an
# access that went well may be to a page not present, which the kernel then brought in.
check_faults() {
    local folder=$1 access=$2 letter=$3 name options
    name=$(basename "$folder")
    options=$(registers "$folder")
    gzip -dc "$folder/faults.txt.gz" | awk -v letter="$letter" '!/^#/ && $3 == letter' >"$scratch/faults"
    awk '{ print $2 }' "$scratch/faults" >"$scratch/addresses"
    # shellcheck disable=SC2086
    "$MMUSIM" walk $options --user --access "$access" - <"$scratch/addresses" >"$scratch/walks" || fail "$name: exit status $?"
    [[ $(wc -l <"$scratch/walks") == $(wc -l <"$scratch/faults") ]] || fail "$name faults: lines are missing"
    paste -d ' ' "$scratch/faults" "$scratch/walks" | awk '
        function kernel(a) { return length(a) < 18 && a >= "0xc0000000" && length(a) == 10 || a >= "0x7ffffffff000" && length(a) == 14 || length(a) == 18 }
        function code(text) { return index("0123456789abcdef", substr(text, length(text), 1)) - 1 + (length(text) > 3 ? 16 : 0) }
        {
            said = ""; got = ""
            for (i = 4; i <= NF; i++) {
                if ($i ~ /^error=/) said = substr($i, 7)
                if ($i == "trapno=13") gp = NR
                if ($i == "fault") got = $(i + 1)
            }
            if (gp == NR) { if (got != "GP") print "expected GP:", $0; next }
            if ($4 == "OK") { if (got != "" && !/ not-present /) print "expected no fault:", $0; next }
            if (got == "") { print "expected a fault:", $0; next }
            a = code(said); b = code(got)
            if (kernel($2)) { a -= a % 2; b -= b % 2 }
            if (a != b) print "expected " said ":", $0
        }' >"$scratch/wrong"
    [[ -s $scratch/wrong ]] && fail "$name faults $letter: $(wc -l <"$scratch/wrong") differ, first: $(head -1 "$scratch/wrong")"
}

for folder in "$DATA"/kernel/*/; do
    folder=${folder%/}
    check_image "$folder"
    check_faults "$folder" r R
    check_faults "$folder" w W
    check_faults "$folder" x X
done

# ---- what is said of bad input: one line, exit status 2, nothing on standard output ----

image=$DATA/kernel/amd64-1g/pagetables.elf.xz
cr3=0x62ca000

# refuse PATTERN ARGUMENT... (standard input is passed on)
refuse() {
    fails_with 2 "${@:2}"
    grep -qE -- "^mmusim: .*$1" "$scratch/err" || fail "${*:2}: expected /$1/: $(cat "$scratch/err")"
}

# say EXPECTED ARGUMENT...: the one line on standard output
say() {
    local expected=$1 actual
    shift
    actual=$("$MMUSIM" "$@" 2>&1)
    [[ $actual == "$expected" ]] || fail "$*: expected '$expected', got '$actual'"
}

walk=(walk --image "$image" --cr3 "$cr3")
huge=18446744073709551615

refuse "expected a command" 
refuse "unknown command 'wlak'; did you mean 'walk'" wlak
refuse "unknown option '--imgae'; did you mean '--image'" walk --imgae x
refuse "did you mean '--version'" --verison
refuse "'i386pae'; did you mean 'i386_pae'" "${walk[@]}" --mode i386pae 0
refuse "expected --image" walk --cr3 0 0
refuse "expected --cr3" walk --image "$image" 0
refuse "expected addresses" "${walk[@]}"
refuse "expected a value" walk --image
refuse "takes no value" "${walk[@]}" --user=1 0
refuse "'12q' is not a number" "${walk[@]}" 12q
refuse "'-1' is not a number|unknown option '-1'" "${walk[@]}" -1
refuse "larger than 2\^64 - 1" "${walk[@]}" 18446744073709551616
refuse "standard input:2: address 'x1' is not a number" "${walk[@]}" - <<<$'0x1000 4096 # two\nx1'
refuse "standard input:1: a zero byte" "${walk[@]}" - < <(printf '0x1000\0')
refuse "once only" "${walk[@]}" - - </dev/null

# 2^64 - 1 everywhere a number goes
say "0xffffffffffffffff fault 0x0 not-present level=PDE entry=0x0" "${walk[@]}" $huge
refuse "wider than 32 bits" "${walk[@]}" --mode i386 $huge
refuse "--cr3 0xffffffffffffffff: wider" walk --image "$image" --cr3 $huge 0
refuse "end beyond 2\^52" walk --image "$0" --base $huge --cr3 0 0
refuse "2\^64 - 1" walk --image "$0" --base ${huge}K --cr3 0 0
refuse "an ELF file says where" "${walk[@]}" --base $huge 0
refuse "--cr0: $huge is out of range" "${walk[@]}" --cr0 $huge 0
refuse "no processor accepts|CR4.LA57 is 1" "${walk[@]}" --cr4 $huge 0
say "0x0000000000000000 fault 0x0 not-present level=PTE entry=0x0" "${walk[@]}" --efer $huge 0
refuse "--pkru: $huge is out of range" "${walk[@]}" --pkru $huge 0
refuse "--pkrs: $huge is out of range" "${walk[@]}" --pkrs $huge 0
refuse "--ac: $huge is out of range" "${walk[@]}" --ac $huge 0
refuse "--maxphyaddr: $huge is out of range, expected 32 to 52" "${walk[@]}" --maxphyaddr $huge 0

# contradictions
refuse "CR4.PAE is 1, paging mode i386 needs 0" "${walk[@]}" --mode i386 --cr4 0x6f0 0
refuse "EFER.LME is 0, paging mode x86_64 needs 1" "${walk[@]}" --mode x86_64 --efer 0x800 0
refuse "CR4.LA57 is 0, paging mode x86_64_la57 needs 1" "${walk[@]}" --mode x86_64_la57 --cr4 0x20 0
refuse "CR0.PG is 0" "${walk[@]}" --cr0 0x11 0
refuse "protection keys need" "${walk[@]}" --mode i386 --pkru 1 0

# files
refuse "Is a directory|is a directory" walk --image "$scratch" --cr3 0 0
refuse "No such file" walk --image "$scratch/absent" --cr3 0 0
: >"$scratch/empty"
refuse "is empty" walk --image "$scratch/empty" --cr3 0 0
refuse "/dev/null: is empty, expected a memory image" walk --image /dev/null --cr3 0 0
gzip -c </dev/null >"$scratch/empty.gz"
refuse "is empty when unpacked" walk --image "$scratch/empty.gz" --cr3 0 0
head -c 3000 "$image" >"$scratch/cut.xz"
refuse "cannot unpack" walk --image "$scratch/cut.xz" --cr3 0 0
refuse "directory" "${walk[@]}" --output "$scratch" 0
refuse "No such file" "${walk[@]}" --output "$scratch/absent/file" 0
refuse "No space left" "${walk[@]}" --output /dev/full 0
"$MMUSIM" "${walk[@]}" 0 >/dev/full 2>"$scratch/err"
[[ $? == 2 && $(cat "$scratch/err") == *"No space left"* ]] || fail "a full standard output goes unnoticed"
echo before >"$scratch/kept"
refuse "not a number" "${walk[@]}" --output "$scratch/kept" 0 nonsense
[[ $(cat "$scratch/kept") == before ]] || fail "a failed walk changed its output file"
"$MMUSIM" "${walk[@]}" --output "$scratch/kept" 0 || fail "--output: exit status $?"
[[ $(cat "$scratch/kept") == "0x0000000000000000 fault"* ]] || fail "--output: wrong content"

# ---- images of one page: entries by hand ----

# put OFFSET VALUE: a little-endian 64-bit entry into $scratch/raw
put() {
    local bytes="" i
    for ((i = 0; i < 64; i += 8)); do bytes+=$(printf '\\x%02x' $((($2 >> i) & 255))); done
    printf "$bytes" | dd of="$scratch/raw" bs=1 seek="$1" conv=notrunc 2>/dev/null
}
truncate -s 4096 "$scratch/raw"
put 0 $((0x5000 | 7))       # PML4E 0 leads out of the image
put 8 $((0x100000 | 7))     # PML4E 1 leads to this page itself, and so do PDPTE 1, PDE 1 and PTE 1
put 16 $((0x100000 | 0x87)) # PML4E 2 has PS, which is reserved; as PDE 2 it maps 2 MBytes with address bit 20 reserved
put 24 $((0x40000087))      # as PDPTE 3 it maps 1 GByte
raw=(walk --image "$scratch/raw" --base 1M --cr3 0x100000)
say "0x0000000000000000 fault - outside-memory level=PDPTE at=0x5000" "${raw[@]}" 0
say "0x0000000000000000 fault - outside-memory level=PML4E at=0x200000" walk --image "$scratch/raw" --base 1M --cr3 0x200000 0
say "0x0000008040201abc 0x100abc 4K U RW X A=0 D=0 G=0 PCD=0 PWT=0" "${raw[@]}" 0x8040201abc
say "0x0000008040000abc fault - outside-memory level=PTE at=0x5000" "${raw[@]}" 0x8040000abc
say "0x0000010000000000 fault 0x9 reserved level=PML4E entry=0x100087" "${raw[@]}" 0x10000000000
say "0x0000008040400000 fault 0x9 reserved level=PDE entry=0x100087" "${raw[@]}" 0x8040400000
say "0x00000080c0000123 0x40000123 1G U RW X A=0 D=0 G=0 PCD=0 PWT=0" "${raw[@]}" 0x80c0000123
refuse "PDPTE 0 .* reserved bits 0x6 set: loading CR3 raises #GP" "${raw[@]}" --mode i386_pae 0
refuse "PDPTE 0 .* lies outside the image" walk --image "$scratch/raw" --base 1M --mode i386_pae --cr3 0x5000 0
# five levels: this page is every table
five=("${raw[@]}" --mode x86_64_la57)
say "0x0001008040201abc 0x100abc 4K U RW X A=0 D=0 G=0 PCD=0 PWT=0" "${five[@]}" 0x1008040201abc
say "0x0002000000000000 fault 0x9 reserved level=PML5E entry=0x100087" "${five[@]}" 0x2000000000000
say "0x0100000000000000 fault GP non-canonical" "${five[@]}" 0x100000000000000
say "0xff00000000000000 fault - outside-memory level=PML5E at=0x5800" walk --image "$scratch/raw" --base 1M --mode x86_64_la57 --cr3 0x5000 0xff00000000000000
# SMEP, SMAP and keys
say "0x0000008040201000 fault 0x11 smep level=PTE entry=0x100007" "${raw[@]}" --cr4 0x100020 --access x 0x8040201000
say "0x0000008040201000 fault 0x1 smap level=PTE entry=0x100007" "${raw[@]}" --cr4 0x200020 0x8040201000
say "0x0000008040201000 0x100000 4K U RW X A=0 D=0 G=0 PCD=0 PWT=0" "${raw[@]}" --cr4 0x200020 --ac 1 0x8040201000
say "0x0000008040201000 fault 0x21 key level=PTE entry=0x100007" "${raw[@]}" --pkru 1 0x8040201000
say "0x0000008040201000 0x100000 4K U RW X A=0 D=0 G=0 PCD=0 PWT=0 KEY=0" "${raw[@]}" --pkru 0x4 0x8040201000

# 32-bit paging: entries of 4 bytes
put 0 $((0x00c02087 | 0x00e02087 << 32)) # PDE 0: 4 MBytes with address bit 32 (PSE-36); PDE 1: with bit 21, which is reserved
small=(walk --image "$scratch/raw" --base 0x100000 --cr3 0x100000 --mode i386)
say "0x00000123 0x100c00123 4M U RW X A=0 D=0 G=0 PCD=0 PWT=0" "${small[@]}" 0x123
say "0x00400000 fault 0x9 reserved level=PDE entry=0xe02087" "${small[@]}" 0x400000
say "0x00000123 fault 0x9 reserved level=PDE entry=0xc02087" "${small[@]}" --maxphyaddr 32 0x123
say "0x00000123 fault - outside-memory level=PTE at=0xc02000" "${small[@]}" --cr4 0 0x123
# options in every form; what follows -- is no option
say "0x00000000 0x100c00000 4M U RW X A=0 D=0 G=0 PCD=0 PWT=0" "${small[@]}" --access=w --format=text --user -- 0
refuse "address '--user' is not a number" "${small[@]}" -- --user

# ---- help and version ----
"$MMUSIM" help walk | grep -q -- "--explain" || fail "help walk"
for words in help "help help" "help --help" -h; do
    # shellcheck disable=SC2086
    cmp -s <("$MMUSIM" --help) <("$MMUSIM" $words) || fail "$words: not the help"
done
"$MMUSIM" --help | grep -q "walk" || fail "--help"
[[ $("$MMUSIM" --version) == "mmusim "[0-9]* ]] || fail "--version"

# ---- pages of explanation, word by word ----
{
    "$MMUSIM" "${small[@]}" --explain 0x123
    put 0 $((0x5000 | 7))
    "$MMUSIM" "${raw[@]}" --explain 0x8040400000
    "$MMUSIM" "${raw[@]}" --explain --cr4 0x420020 --pkru 4 --access w --user 0x80c0000123
    "$MMUSIM" "${five[@]}" --explain 0x1008040200000 0x100000000000000
    "$MMUSIM" walk --image "$DATA/kernel/pae-1536m/pagetables.elf.xz" --cr3 0x2db9e20 --mode i386_pae --user --access x \
        --explain 0xc1000123
    "$MMUSIM" walk --image "$DATA/kernel/i386-512m/pagetables.elf.xz" --cr3 0x2d0e000 --mode i386 --explain 0xb7ef4040 0
} >"$scratch/actual"
same "explanations" "$DATA/walk/explained.txt" "$scratch/actual"
"$MMUSIM" "${raw[@]}" --explain --format json 0x8040201abc 0x10000000000 >"$scratch/actual"
same "JSON" "$DATA/walk/explained.json" "$scratch/actual"

verdict "all walks agree"
