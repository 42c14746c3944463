# Finds the OpenCL libraries of this machine's drivers, with or without .icd files; for `source`.

vendor_names=(libnvidia-opencl.so.1 libamdocl64.so libigdrcl.so)

# The folders where drivers install them, from the usual to the unusual. Patterns without a match
# are ignored.
vendor_folders() {
  local folders
  IFS=: read -r -a folders <<<"${LD_LIBRARY_PATH:-}"
  printf '%s\n' "${folders[@]}" \
    /usr/lib/x86_64-linux-gnu /usr/lib64 /usr/lib /lib/x86_64-linux-gnu /lib64 \
    /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/lib/x86_64-linux-gnu/nvidia/current \
    /usr/lib/nvidia* /usr/local/cuda*/lib64 /usr/local/cuda*/compat \
    /usr/local/cuda*/targets/x86_64-linux/lib /usr/lib/wsl/lib \
    /opt/rocm*/lib /opt/rocm*/opencl/lib /opt/amdgpu*/lib/x86_64-linux-gnu \
    /usr/lib/x86_64-linux-gnu/intel-opencl /usr/lib64/intel-opencl /opt/intel/opencl*/lib*
}

loader_cache() { { ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null; }

# Prints the path of the library NAME, or of one whose name continues after NAME (.2, for example).
find_library() { # NAME
  local name=$1 folder file line
  while read -r line; do
    file=${line##*=> }
    [[ $line != "$name"* || $line != *x86-64* || ! -f $file ]] || {
      echo "$file"
      return
    }
  done < <(loader_cache)
  while read -r folder; do
    [[ -n $folder ]] || continue
    for file in "$folder/$name"*; do
      [[ ! -f $file ]] || {
        echo "$file"
        return
      }
    done
  done < <(vendor_folders)
  return 1
}

# Writes an .icd file for each library into FOLDER: for the given libraries, or otherwise for those
# that the system's own .icd files name and those that are found without one. Prints each library
# and where it comes from.
write_vendors() { # FOLDER [LIBRARY...]
  local folder=$1 icd name file
  shift
  rm -rf "$folder"
  mkdir -p "$folder"
  if (($# > 0)); then
    for file in "$@"; do
      echo "$file" >"$folder/$(basename "$file").icd"
      echo "vendor's library: $file, as asked for"
    done
    return
  fi
  for icd in "${OPENCL_VENDORS_FOLDER:-/etc/OpenCL/vendors}"/*.icd; do
    [[ -f $icd ]] || continue
    cp "$icd" "$folder"
    echo "vendor's library: $(head -n 1 "$icd"), from $icd"
  done
  for name in "${vendor_names[@]}"; do
    ! grep -qsF "${name%%.so*}" "$folder"/*.icd || continue
    file=$(find_library "$name") || continue
    echo "$file" >"$folder/${name%%.so*}.icd"
    echo "vendor's library: $file, which no .icd file names"
  done
}

is_known() { # FILE: whether the loader finds this very file by its name
  local line
  while read -r line; do
    [[ $line != "$(basename "$1") "* || ! ${line##*=> } -ef $1 ]] || return 0
  done < <(loader_cache)
  return 1
}

# The folders, separated by colons, of libraries that the loader would not find by name: the
# dependencies of a vendor's library are in its folder.
vendor_library_path() { # FOLDER
  local icd file path=
  for icd in "$1"/*.icd; do
    [[ -f $icd ]] || continue
    file=$(head -n 1 "$icd")
    [[ $file == /* ]] || continue
    is_known "$file" || path+=${path:+:}$(dirname "$file")
  done
  echo "$path"
}

# The missing dependencies of NVIDIA's library; without them builds fail with an empty log.
nvidia_gaps() { # FOLDER
  grep -qs nvidia-opencl "$1"/*.icd || return 0
  find_library libnvidia-nvvm.so >/dev/null || find_library libnvidia-compiler.so >/dev/null ||
    echo "libnvidia-nvvm.so is not here: OpenCL programs will fail to build, with an empty log." \
      "It belongs to the driver; in a container, ask for the capability \"compute\" or mount it."
  compgen -G '/dev/nvidia[0-9]*' >/dev/null || [[ -e /dev/dxg ]] ||
    echo "There is no /dev/nvidia0: NVIDIA's library will find no device."
}
