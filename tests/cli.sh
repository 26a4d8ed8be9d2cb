# cli.sh: what a test of the program begins and ends with; sourced. A scratch folder that goes with the test, the shipped
# machines found by name (CONFIGS), and failures that are said at once and counted to the end. ctest sets MMUSIM, SRC, DATA
# and CONFIGS; of a test that is started by hand, wherever, MMUSIM alone may be needed: another program than the release
# build's.
set -u
: "${SRC:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." >/dev/null && pwd)}"
: "${DATA:=$SRC/tests/data}" "${CONFIGS:=$SRC/configs}"
MMUSIM=$(realpath -m "${MMUSIM:-$SRC/build/release/bin/mmusim}")
[[ -x $MMUSIM ]] || { echo "no program $MMUSIM: build it, or set MMUSIM" && exit 1; }
export MMUSIM_CONFIG_PATH=$CONFIGS
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0

fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# fails_with STATUS ARGUMENT...: this exit status, nothing on standard output, one line on standard error, in $scratch/err
fails_with() {
    local expected=$1 status
    shift
    "$MMUSIM" "$@" >"$scratch/out" 2>"$scratch/err"
    status=$?
    [[ $status == "$expected" ]] || fail "$*: exit status $status, expected $expected"
    [[ ! -s $scratch/out ]] || fail "$*: wrote to standard output"
    [[ $(wc -l <"$scratch/err") == 1 ]] || fail "$*: not one line: $(cat "$scratch/err")"
}

# says_no MESSAGE ARGUMENT...: exit status 2, and that line ends with MESSAGE
says_no() {
    fails_with 2 "${@:2}"
    [[ $(cat "$scratch/err") == "mmusim: "*"$1" ]] || fail "${*:2}: said $(cat "$scratch/err")"
}

# verdict TEXT: the test's last command; the text is said if nothing failed
verdict() {
    ((failures == 0)) && echo "$*" && exit 0
    echo "$failures failures"
    exit 1
}
