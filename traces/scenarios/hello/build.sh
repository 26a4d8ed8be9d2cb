#!/bin/bash
# build.sh: makes hello-i386 and hello-x86_64, which stand beside it, with the assembler and linker of GNU binutils.
set -eu
cd "$(dirname "$0")"
for target in i386:32:elf_i386 x86_64:64:elf_x86_64; do
    IFS=: read -r name bits format <<<"$target"
    as "--$bits" hello.S -o hello.o
    ld -m "$format" -s -z max-page-size=4096 --build-id=none hello.o -o "hello-$name"
done
rm hello.o
