#!/bin/bash
# run.sh SOURCE BUILD: installs the build into a scratch prefix, then builds main.c outside the tree through the CMake
# package (shared and static) and through pkg-config, and runs each. Also: the installed program finds its configs, and
# nothing installed knows a path of this source or build tree.
set -eu
source=$1 build=$2 cmake=${CMAKE:-cmake} cc=${CC:-cc}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix
"$cmake" --install "$build" --prefix "$prefix" >/dev/null
cp -r "$source/tests/consumer" "$scratch/consumer"
cd "$scratch"

leaks=$(grep -rlF -e "$build" -e "$source/" "$prefix") && { echo "knows where it was built: $leaks"; exit 1; }

pc=$(find "$prefix" -name mmusim.pc)
libdir=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH=$libdir/pkgconfig
MMUSIM_CONFIG_PATH=$(pkg-config --variable=datadir mmusim)/configs
export MMUSIM_CONFIG_PATH

"$cmake" -S consumer -B by-cmake -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
"$cmake" --build by-cmake >/dev/null
by-cmake/with_mmusim
by-cmake/with_mmusim_static

# shellcheck disable=SC2046
"$cc" consumer/main.c $(pkg-config --cflags --libs mmusim) -o by-pkg-config
LD_LIBRARY_PATH=$libdir ./by-pkg-config
ldd by-cmake/with_mmusim | grep -q 'libmmusim\.so' || { echo "with_mmusim is not linked to the shared library"; exit 1; }
! ldd by-cmake/with_mmusim_static | grep -q 'libmmusim\.so' || { echo "with_mmusim_static is linked to the shared library"; exit 1; }

# The static archive by hand: pkg-config names what it needs.
mkdir static && cp "$libdir/libmmusim.a" static/
# shellcheck disable=SC2046
"$cc" consumer/main.c $(pkg-config --cflags mmusim) -Lstatic -l:libmmusim.a $(pkg-config --libs yaml-0.1 libarchive libzstd libelf) -o by-archive
./by-archive

unset MMUSIM_CONFIG_PATH
"$prefix/bin/mmusim" config show skylake-sp >/dev/null
