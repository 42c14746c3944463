#!/usr/bin/env bash
# Checks the kernels without a driver: every rule and variant, at every number of lanes, through
# clang as OpenCL C 1.2; then `descent verify` under oclgrind, which detects accesses out of bounds,
# data races and barriers that not all items reach. The argument `syntax` runs the first part only.
set -euo pipefail
cd "$(dirname "$0")/.."
DESCENT=${DESCENT:-.build/release/descent}

find_clang() { # the first of CLANG, clang and that of Swift
  local swift
  swift=$(command -v swift || true)
  for clang in ${CLANG:-} clang ${swift:+"$(dirname "$(readlink -f "$swift")")/clang"}; do
    command -v "$clang" && return
  done
  echo "missing: clang" >&2
  return 1
}
clang=$(find_clang)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The blocks of the lists, expanded by the preprocessor so that they are not listed twice: an EACH
# that expands to one line per block. The tests' list has passes that no rule of the package has
# yet.
cat >"$work/row.inc" <<EOF
#include "$PWD/Kernels/cpu/begin.inc"
@row FOLDER FILE_ NAME STATES PASS NUMBERS TERMS READ_ONLY (VARIANT)
#include "$PWD/Kernels/cpu/end.inc"
EOF
rows=$(for folder in Kernels/rules Tests/MadeUpRules; do
  "$clang" -E -P -x c -DEACH="\"$work/row.inc\"" "$folder/list.inc" | grep '^@row' |
    sed "s|FOLDER|$folder|"
done)

# Compiles as PoCL does for a processor without AVX-512. There must be no warning about vectors of
# 16 floats, since PoCL prints the number of warnings.
compile_for_avx2() {
  "$clang" -x cl -cl-std=CL1.2 -target x86_64 -march=haswell -S -o /dev/null -Wall -Werror \
    -Wno-unused-function -DLANES=16 -DGROUP=64 "$@" || failed=1
  checked=$((checked + 1))
}

checked=0
failed=0
# Prints the macros that UpdatePrograms.swift defines for the operands of a row, which is in
# `states`, `pass` and so on, and of the arguments: zeroing, sum, average, remainder, master, and
# gradients' type.
operands() {
  local first=2 count written=0 unread=0 macros=
  [[ $pass != DESCENT_NUMBERS ]] || first=0
  count=$((first + states))
  [[ $readOnly == 1 ]] || written=$(((1 << count) - 1 & ~((1 << first) - 1)))
  [[ $pass != DESCENT_ELEMENTS ]] || written=$((written | 1))
  for ((term = 0; term < terms; term++)); do
    written=$((written | 1 << count)) unread=$((unread | 1 << count++))
  done
  for word in "$@"; do
    case $word in
    zeroing) written=$((written | 2)) ;;
    master)
      [[ $pass != DESCENT_ELEMENTS ]] || written=$((written | 1 << count))
      unread=$((unread | 1)) macros+=" -DMASTER=$((count++)) -DTYPES=1UL"
      ;;
    remainder)
      [[ $pass != DESCENT_ELEMENTS ]] || written=$((written | 1 << count))
      macros+=" -DREMAINDER=$count -DTYPES=$((2 | 3 << 4 * count))UL" count=$((count + 1))
      ;;
    bfloat16) macros+=" -DTYPES=$((2 << 4))UL" ;;
    float16) macros+=" -DTYPES=$((1 << 4))UL" ;;
    sum) macros+=" -DSUM=$((count++))" ;;
    average) written=$((written | 1 << count)) macros+=" -DAVERAGE=$((count++))" ;;
    esac
  done
  [[ $numbers == 0 ]] || macros+=" -DNUMBERS=$numbers -DSHAPES=$((0xe4e4))"
  echo "-DSTATES=$states -DOPERANDS=$count -DWRITTEN=$written -DUNREAD=$unread -DPASS=$pass$macros"
}

while read -r _ folder file name states pass numbers terms readOnly variant; do
  # The programs that UpdatePrograms.swift assembles.
  for part in Kernels/{types.h,lanes.cl,storage.cl,elements.cl,states.cl,beside.cl,prepare.cl} \
    Kernels/{norm.cl,item_tile.cl} "$folder/$file" Kernels/update.cl; do
    printf '#line 1 "%s"\n' "$part"
    cat "$part"
  done >"$work/program.cl"
  # The operations that are fused with the rules, as far as the kind of pass allows.
  besides=("" sum bfloat16 "remainder sum" master)
  [[ $pass != DESCENT_ELEMENTS ]] ||
    besides+=(zeroing average "zeroing float16" "remainder zeroing sum average")
  [[ $pass != DESCENT_NUMBERS ]] || besides=("")
  for lanes in 1 2 4 8 16; do
    launches=("" -DTABLE "-DTABLE -DCONTROLLED")
    # A processor's pass that sums its terms itself.
    [[ $pass != DESCENT_SUMS ]] ||
      launches+=("-DTABLE -DFUSED -DSQUARES=1" "-DTABLE -DCONTROLLED -DFUSED -DSQUARES=2")
    for launch in "${launches[@]}"; do
      # Numbers of other shapes need the places that a table has.
      [[ $launch == *TABLE* || $numbers == 0 && $pass == DESCENT_ELEMENTS ]] || continue
      for beside in "${besides[@]}"; do
        # What depends on the number of lanes shows with all operations, or with none.
        [[ $lanes == 1 || $lanes == 16 || -z $beside || $beside == "${besides[-1]}" ]] || continue
        # shellcheck disable=SC2046,SC2086
        "$clang" -x cl -cl-std=CL1.2 -fsyntax-only -Wall -Werror -Wno-unused-function \
          "-DLANES=$lanes" -DGROUP=64 -DSPACE=local "-DVARIANT=$variant" "-DTERMS=$terms" \
          $launch $(operands $beside) \
          "$work/program.cl" || {
          echo "$name at $lanes lanes is not valid OpenCL C 1.2: $launch $beside" >&2
          failed=1
        }
        checked=$((checked + 1))
      done
    done
  done
  # shellcheck disable=SC2046,SC2086
  compile_for_avx2 $(operands ${besides[${#besides[@]} - 1]}) "-DVARIANT=$variant" -DTABLE \
    -DCONTROLLED -DSPACE=local "-DTERMS=$terms" "$work/program.cl"
  # shellcheck disable=SC2046
  [[ $pass == DESCENT_NUMBERS ]] ||
    compile_for_avx2 $(operands bfloat16) "-DVARIANT=$variant" -DTABLE -DSPACE=local \
      "-DTERMS=$terms" "$work/program.cl"
  # shellcheck disable=SC2046
  [[ $pass != DESCENT_SUMS ]] ||
    compile_for_avx2 $(operands) "-DVARIANT=$variant" -DTABLE -DFUSED -DSQUARES=1 -DSPACE=local \
      "-DTERMS=$terms" "$work/program.cl"
done <<<"$rows"
elements=(Kernels/{types.h,lanes.cl,storage.cl,elements.cl})
cat "${elements[@]}" Kernels/{norm,beside,norm_kernels}.cl >"$work/norm.cl"
cat "${elements[@]}" Kernels/{norm,beside,item_tile,norm_kernels}.cl >"$work/norm_items.cl"
for options in "" -DACCUMULATED -DTYPE=1 "-DTYPE=2 -DACCUMULATED" -DOF_TERMS "-DOF_TERMS -DPLAIN" \
  "-DOF_TERMS -DPLAIN -DCONTROLLED"; do
  "$clang" -x cl -cl-std=CL1.2 -fsyntax-only -Wall -Werror -Wno-unused-function -DITEMS=256 \
    -DLANES=1 $options "$work/norm.cl" || failed=1
  for items in 8 256; do
    "$clang" -x cl -cl-std=CL1.2 -fsyntax-only -Wall -Werror -Wno-unused-function \
      "-DITEMS=$items" -DLANES=16 -DITEM_PER_TILE -DSPACE=global $options \
      "$work/norm_items.cl" || failed=1
  done
  checked=$((checked + 3))
done
cat Kernels/types.h Kernels/matrix.cl Kernels/matrix_kernels.cl >"$work/matrix.cl"
cat Kernels/types.h Kernels/{lanes,matrix,matrix_kernels}.cl >"$work/matrix_items.cl"
for options in "" -DCONTROLLED; do
  "$clang" -x cl -cl-std=CL1.2 -fsyntax-only -Wall -Werror -Wno-unused-function -DMOST_ROWS=128 \
    -DMOST_COLUMNS=128 -DSIDE=16 -DDEPTH=8 -DWIDTH=132 $options "$work/matrix.cl" || failed=1
  checked=$((checked + 1))
  for lanes in 4 8 16; do
    "$clang" -x cl -cl-std=CL1.2 -fsyntax-only -Wall -Werror -Wno-unused-function -DVECTORS=2 \
      "-DLANES=$lanes" -DMOST_ROWS=96 -DMOST_COLUMNS=128 $options "$work/matrix_items.cl" ||
      failed=1
    checked=$((checked + 1))
  done
done
cat "${elements[@]}" Kernels/beside.cl Kernels/accumulate.cl >"$work/accumulate.cl"
for lanes in 1 2 4 8 16; do
  for options in "" -DZEROING "-DZEROING -DTYPE=1" -DTYPE=2; do
    "$clang" -x cl -cl-std=CL1.2 -fsyntax-only -Wall -Werror -Wno-unused-function "-DLANES=$lanes" \
      -DGROUP=64 $options "$work/accumulate.cl" || failed=1
    checked=$((checked + 1))
  done
done
cat Kernels/types.h Kernels/lanes.cl Kernels/states.cl Sources/CeilingPasses/ceiling.cl \
  >"$work/ceiling.cl"
for lanes in 1 4 16; do
  for streams in "0 1" "1 1" "1 3" "2 2" "4 2" "5 1"; do
    read -r written read <<<"$streams"
    "$clang" -x cl -cl-std=CL1.2 -fsyntax-only -Wall -Werror -Wno-unused-function "-DLANES=$lanes" \
      -DGROUP=64 -DSTATES=0 "-DWRITTEN=$written" "-DREAD=$read" "$work/ceiling.cl" || failed=1
    checked=$((checked + 1))
  done
done
compile_for_avx2 "$work/accumulate.cl"
compile_for_avx2 -DITEMS=256 -DITEM_PER_TILE -DSPACE=global -DACCUMULATED "$work/norm_items.cl"
[[ $failed -eq 0 ]] || exit 1
echo "syntax: $checked kernels"
[[ ${1:-} != syntax ]] || exit 0

command -v oclgrind >/dev/null || {
  echo "missing: oclgrind" >&2
  exit 1
}
[[ -x $DESCENT ]] || {
  echo "missing: $DESCENT; build it with \`swift build -c release\`, or set DESCENT" >&2
  exit 1
}

# Use oclgrind's driver only, and check that it is the one in use.
export OCL_ICD_VENDORS=/nonexistent
oclgrind "$DESCENT" devices >"$work/out"
grep -q Oclgrind "$work/out" || {
  cat "$work/out" >&2
  echo "under oclgrind, $DESCENT does not find oclgrind's device" >&2
  exit 1
}

# Runs rules at some lanes. oclgrind's exit status does not depend on what it reports; its log is
# empty if there is nothing. Few elements and small groups, so that full and partial blocks both
# occur in little time.
run() { # rules, lanes, counts, steps, further options of oclgrind
  local rules=$1 lanes=$2 counts=$3 steps=$4 passed=yes
  shift 4
  oclgrind --data-races --log "$work/log" "$@" "$DESCENT" verify --rule "$rules" --device opencl:0 \
    --counts "$counts" --steps "$steps" --lanes "$lanes" --group 4 >"$work/out" || passed=no
  if [[ $passed == no || -s $work/log ]]; then
    cat "$work/out" >&2
    echo "oclgrind, $rules at $lanes lanes:" >&2
    head -60 "$work/log" >&2
    exit 1
  fi
  echo "oclgrind, $rules at $lanes lanes: $(tail -1 "$work/out"), no report"
}
for lanes in 1 4 16; do run all,-muon "$lanes" 0,1,17,65 2; done
# A product takes a whole block, however small the matrix. The form for processors needs more local
# memory than oclgrind's device has by default.
run muon 4 17,65 1
run muon 16 17,65 1 --local-mem-size 65536
