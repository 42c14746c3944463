#!/usr/bin/env bash
# Packs everything that a bare Linux x86-64 machine with a GPU's driver needs to test and time
# Descent into out/gpu-bundle and out/gpu-bundle.tar.gz. See run.sh for how to use it.
set -euo pipefail
cd "$(dirname "$0")/../.."
SWIFT=${SWIFT:-swift}
build=.build-bundle
out=out/gpu-bundle

[[ $(uname -sm) == "Linux x86_64" ]] || {
  echo "The bundle is made of this machine's own programs, and is for Linux x86-64." >&2
  exit 1
}
mkdir -p "$build"
no_icu_data=$PWD/$build/no-icu-data.o
"$(dirname "$(readlink -f "$(command -v "$SWIFT")")")/clang" -c -fPIC -Wall -Werror \
  Scripts/gpu/no-icu-data.c -o "$no_icu_data"
"$SWIFT" build -c release --static-swift-stdlib --product descent --scratch-path "$build" \
  -Xlinker "$no_icu_data" -Xlinker --defsym -Xlinker icudt76_dat=descent_no_icu_data \
  -Xlinker -rpath -Xlinker '$ORIGIN/lib'

rm -rf "$out" "$out.tar.gz"
mkdir -p "$out/lib/fallback"
strip -o "$out/descent" "$build/release/descent"

library() { # NAME: the file that the loader finds under that name on this machine
  local found
  found=$(ldd "$out/descent" | awk -v name="$1" '$1 == name && $2 == "=>" { print $3 }')
  [[ -n $found ]] || {
    echo "descent does not need $1, so it cannot be found by way of it" >&2
    return 1
  }
  readlink -f "$found"
}
cp "$(library libOpenCL.so.1)" "$out/lib/libOpenCL.so.1"
# Drivers may need newer versions than these, so these are for systems that have none.
for name in libstdc++.so.6 libgcc_s.so.1; do
  cp "$(library "$name")" "$out/lib/fallback/$name"
done

cp -r Benchmarks/layouts "$out/layouts"
mkdir "$out/trajectories" "$out/peers"
cp Tests/DescentTests/Goldens/*.json "$out/trajectories"
cp Benchmarks/peers/*.py "$out/peers"
cp Scripts/gpu/run.sh Scripts/gpu/vendors.sh LICENSE "$out"
# ocl-icd's license requires that its copyright notice is distributed with it.
for notice in /usr/share/doc/ocl-icd-libopencl1/copyright; do
  [[ ! -e $notice ]] || cp "$notice" "$out/lib/libOpenCL.copyright"
done
glibc() { objdump -T "$@" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1 | cut -d_ -f2; }
glibc "$out/descent" "$out"/lib/*.so* >"$out/lib/glibc"
glibc "$out/descent" "$out"/lib/*.so* "$out"/lib/fallback/*.so* >"$out/lib/fallback/glibc"

tar -C out -czf "$out.tar.gz" gpu-bundle
size=$(du -sm "$out" | cut -f1)
echo "$out: $size MB, needs glibc $(<"$out/lib/glibc"); packed: $(du -h "$out.tar.gz" | cut -f1)"
((size < 60)) || {
  echo "That is more than the 60 MB that it may have. Has Foundation another version of ICU, so that" \
    "its data is not called icudt76_dat any more?" >&2
  exit 1
}
