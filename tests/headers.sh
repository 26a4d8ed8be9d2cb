#!/bin/bash
# headers.sh INCLUDE CC: every public header compiles alone, in C11 and in C++ (if a C++ compiler is there), from C++11
# to C++20, without a warning.
set -u
include=$1 cc=$2 status=0
cxx=$(command -v g++ || command -v clang++)
headers=("$include"/mmusim/*.h)
[[ -e ${headers[0]} ]] || { echo "no header in $include/mmusim"; exit 1; }
for header in "${headers[@]}"; do
    line="#include <mmusim/$(basename "$header")>"
    "$cc" -std=c11 -Wall -Wextra -Wpedantic -Werror -I"$include" -fsyntax-only -x c - <<<"$line" || status=1
    for std in ${cxx:+c++11 c++17 c++20}; do
        "$cxx" -std=$std -Wall -Wextra -Wpedantic -Wconversion -Werror -I"$include" -fsyntax-only -x c++ - <<<"$line" ||
            status=1
    done
done
exit $status
