#!/bin/sh
# Record a window of a program's references with Valgrind's tool Lackey.
#
#   record.sh SKIP COUNT OUT COMMAND [ARGUMENT...]
#
# Runs COMMAND under Lackey, passes over its first SKIP references, writes the next COUNT to OUT as zstd-compressed
# text (lines "I  addr,size", " L addr,size", " S addr,size", " M addr,size") and ends the program. Its input is
# empty and its output thrown away. "mmusim trace convert OUT FILE" then makes the binary form.
# Needs valgrind and zstd. Lackey prints one to two million references a second.
set -eu

usage() {
    echo "usage: record.sh SKIP COUNT OUT COMMAND [ARGUMENT...]" >&2
    exit 2
}

[ $# -ge 4 ] || usage
for number in "$1" "$2"; do
    case $number in
        '' | *[!0-9]*) usage ;;
    esac
done
skip=$1 count=$2 out=$3
shift 3

for tool in valgrind zstd mkfifo; do
    command -v "$tool" >/dev/null || { echo "record.sh: $tool is not installed" >&2; exit 2; }
done

dir=$(mktemp -d)
pid=
finish() {
    [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || :
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

mkfifo "$dir/log"
valgrind --tool=lackey --trace-mem=yes --log-fd=9 "$@" 9>"$dir/log" </dev/null >/dev/null 2>"$dir/stderr" &
pid=$!

# Lackey's own lines (==PID==) and whatever else is no reference are left out. awk leaves at the last one wanted.
awk -v skip="$skip" -v count="$count" -v counted="$dir/counted" '
    /^(I | [LSM]) / && n++ >= skip { print; if (n >= skip + count) exit }
    END { print (n > skip ? n - skip : 0) > counted }' <"$dir/log" | zstd -q -19 -f -o "$dir/trace"

recorded=$(cat "$dir/counted")
if [ "$recorded" -ne "$count" ]; then
    echo "record.sh: the program ended after $recorded of the $count references wanted" >&2
    [ ! -s "$dir/stderr" ] || cat "$dir/stderr" >&2
    exit 1
fi
mv "$dir/trace" "$out"
