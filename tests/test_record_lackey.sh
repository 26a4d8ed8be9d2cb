#!/bin/bash
# mmusim trace record: its two recorders, QEMU with our plugin and Valgrind's Lackey, share no code. Of a static program
# they must tell the same references in the same order, but for
#   - where the tool puts the stack: addresses are compared as distances from the first store, which is on the stack;
#   - locked instructions: Valgrind makes a loop of them that loads once more than the processor does.
#
# Environment: MMUSIM, the program; SRC, the project. Needs qemu-user, valgrind and a C compiler; else it is skipped.
. "$(dirname "${BASH_SOURCE[0]}")/cli.sh"
cd "$scratch" || exit 1

for tool in qemu-x86_64 qemu-i386 valgrind cc; do
    command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed" && exit 77; }
done
flags="-O1 -static -nostdlib -fno-pie -no-pie -fno-stack-protector -fcf-protection=none -fno-builtin -fno-sanitize=all"

# comparable <TEXT : the references, one a line, without what the tools may choose
comparable() {
    local kind place stack='' held='' at
    while read -r kind place; do
        [[ $kind == [ILSM] ]] || continue
        at=$((16#${place%,*}))
        [[ $kind == S && ! $stack ]] && stack=$at
        [[ $stack ]] && ((at > stack - 65536 && at < stack + 65536)) && place="stack$((at - stack)),${place#*,}"
        [[ $held && "M ${held#L }" != "$kind $place" ]] && echo "$held"
        held=
        if [[ $kind == L ]]; then held="L $place"; else echo "$kind $place"; fi
    done
    [[ -z $held ]] || echo "$held"
}

for width in 64 32; do
    # shellcheck disable=SC2086
    cc -m$width $flags "$SRC/tests/record_program.c" -o program || { echo "SKIP: no compiler for -m$width" && exit 77; }
    for tool in qemu lackey; do
        "$MMUSIM" trace record --text --tool $tool -o $tool.txt -- ./program >out 2>err </dev/null
        status=$?
        [[ $status == 7 ]] || fail "$tool, $width: exit status $status: $(cat err)"
        [[ $(cat out) == "the program's own output" && ! -s err ]] || fail "$tool, $width: '$(cat out)', '$(cat err)'"
        comparable <$tool.txt >$tool
        [[ $(wc -l <$tool) -gt 2000 ]] || fail "$tool, $width: $(wc -l <$tool) references only"
        grep -q '^# mmusim: map [0-9]* .* r-xp .*/program$' $tool.txt || fail "$tool, $width: no code in the maps"
        grep -q '^# mmusim: process [0-9]*$' $tool.txt || fail "$tool, $width: no process"
    done
    cmp qemu lackey || fail "$width: the recorders differ: $(diff qemu lackey | head -5)"
    # Without a reference, no other one can be missing in both: each kind and size that the program makes is there.
    for what in 'L [^,]*,1' 'L [^,]*,2\|M [^,]*,2' 'L [^,]*,4' 'L [^,]*,10' 'L [^,]*,16' 'S [^,]*,1' 'S [^,]*,4' 'S [^,]*,10' \
        'S [^,]*,16' 'M [^,]*,1' 'M [^,]*,4'; do
        grep -q "^\\($what\\)\$" qemu || fail "$width: none like $what"
    done
    # A window of both is the same, too.
    "$MMUSIM" trace record --skip 40 --max 60 --tool lackey -o window.mmt -- ./program >out 2>err || [[ $? == 7 ]] || fail "window: $(cat err)"
    [[ $("$MMUSIM" trace info window.mmt | awk '$1 == "references" { print $2 }') == 60 ]] || fail "window: not 60 references"
done

# The end of a program, as under QEMU.
cc $flags "$SRC/tests/record_program.c" -o program
"$MMUSIM" trace record --tool lackey -o c.mmt -- ./program crash >out 2>err
[[ $? == 139 ]] || fail "crash: exit status is not 139"
"$MMUSIM" trace info c.mmt >info || fail "crash: no trace"
rm -f t.mmt
"$MMUSIM" trace record --tool lackey -o t.mmt -- ./nothing >out 2>err
[[ $? == 2 && $(cat err) == "mmusim: ./nothing: No such file or directory" && ! -e t.mmt ]] || fail "no program: $(cat err)"

verdict "all passed"
