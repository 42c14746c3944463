#!/usr/bin/env bash
# Every public symbol of both libraries has a doc comment, its own or that of the requirement it meets.
# Reads modules that are built already: MODULES, by default those of `swift build`.
set -euo pipefail
cd "$(dirname "$0")/.."
MODULES=${MODULES:-.build/debug/Modules}

graphs=$(mktemp -d)
trap 'rm -rf "$graphs"' EXIT
for library in OpenCLHost Descent; do
  swift symbolgraph-extract -module-name "$library" -I "$MODULES" -I Sources/COpenCL \
    -Xcc -fmodule-map-file="$MODULES/../DescentKernels.build/module.modulemap" -output-dir "$graphs" \
    -target "$(swift -print-target-info | sed -n 's/.*"triple": "\(.*\)",/\1/p' | head -n 1)" \
    -minimum-access-level public -skip-synthesized-members
done

python3 - "$graphs" <<'PYTHON'
import json, pathlib, sys

symbols, failed = 0, []
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.symbols.json")):
    for symbol in json.loads(path.read_text())["symbols"]:
        # What stands in no file was made by the compiler, such as the == of an enumeration.
        if "location" not in symbol:
            continue
        symbols += 1
        if not any(line["text"].strip() for line in symbol.get("docComment", {}).get("lines", [])):
            place = symbol["location"]
            name = path.name.split(".")[0].split("@")[0] + "." + ".".join(symbol["pathComponents"])
            file = place["uri"].removeprefix("file://")
            failed.append(f"{file}:{place['position']['line'] + 1}: {name} has no doc comment")
print("\n".join(sorted(failed)) or f"{symbols} public symbols, all documented")
sys.exit(bool(failed))
PYTHON
