#!/bin/bash
# readme.sh SOURCE: the README's first block of C is tests/example.c, word for word.
set -eu
awk '/^```c$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' "$1/README.md" | diff - "$1/tests/example.c" || {
    echo "README.md (<) and tests/example.c (>) differ"
    exit 1
}
