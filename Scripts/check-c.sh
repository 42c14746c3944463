#!/usr/bin/env bash
# Links C programs against the built libraries, as a caller would, and runs them: against the
# dynamic library with each compiler there is, and against the static one.
set -euo pipefail
cd "$(dirname "$0")/.."
swift=${SWIFT:-swift}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

flags=(-O2 -Wall -Wextra -Werror -ISources/CDescent/include -ITests/CCaller/include -DDESCENT_C_MAIN)
checks=Tests/CCaller/check.c

$swift build -c release --product DescentC
library=$($swift build -c release --show-bin-path)
found=0
for compiler in clang gcc cc; do
  command -v "$compiler" >/dev/null || continue
  found=1
  "$compiler" -std=c11 "${flags[@]}" "$checks" -o "$out/check" \
    -L"$library" -lDescentC -Wl,-rpath,"$library"
  echo "$compiler: $("$out/check")"
  make -s -C Examples/c clean run CC="$compiler" LIBRARY="$library" CFLAGS="-O2 -Wall -Wextra -Werror"
  make -s -C Examples/c clean
done
[[ $found -eq 1 ]] || { echo "there is no C compiler" >&2; exit 1; }
# Compile the header by itself with the strictest options.
for language in "c -std=c99 -pedantic" "c++ -std=c++11 -pedantic"; do
  # shellcheck disable=SC2086
  clang -fsyntax-only -Wall -Wextra -Werror -x $language Sources/CDescent/include/descent.h
done

# The kernels' conversions of 16 bits, by each vector length that this processor has.
forms=("-DLANES=4")
grep -qw avx2 /proc/cpuinfo && forms+=("-DLANES=8 -mavx2")
grep -qw avx512f /proc/cpuinfo && forms+=("-DLANES=16 -mavx512f")
for form in "${forms[@]}"; do
  # shellcheck disable=SC2086
  clang -O2 -std=gnu2x -Wall -Wextra -Werror -Wno-unused-function $form -I Kernels \
    Tests/Storage/check.c -o "$out/storage"
  echo "$form: $("$out/storage" 101)"
done

# The static library must need neither Swift libraries nor OpenCL.
static=.build-static
$swift build -c release --disable-default-traits --scratch-path $static --product DescentCStatic
clang -std=c11 "${flags[@]}" -c "$checks" -o "$out/check.o"
swiftc -static-stdlib "$out/check.o" "$static/release/libDescentCStatic.a" -o "$out/check-static"
echo "static: $("$out/check-static")"
if ldd "$out/check-static" | grep -E 'swift|OpenCL'; then
  echo "the static program needs libraries that it should hold" >&2
  exit 1
fi
