#!/usr/bin/env bash
# Checks that every public symbol of the libraries has a doc comment, its own or that of the
# requirement it implements, and that every top-level one is listed on the library's first page.
# Reads modules that are built already: MODULES, by default those of `swift build`.
set -euo pipefail
cd "$(dirname "$0")/.."
MODULES=${MODULES:-.build/debug/Modules}

graphs=$(mktemp -d)
trap 'rm -rf "$graphs"' EXIT
for library in OpenCLHost Safetensors Descent; do
  swift symbolgraph-extract -module-name "$library" -I "$MODULES" -I Sources/COpenCL \
    -Xcc -fmodule-map-file="$MODULES/../DescentKernels.build/module.modulemap" -output-dir "$graphs" \
    -target "$(swift -print-target-info | sed -n 's/.*"triple": "\(.*\)",/\1/p' | head -n 1)" \
    -minimum-access-level public -skip-synthesized-members
done

python3 - "$graphs" <<'PYTHON'
import json, pathlib, sys

symbols, failed = 0, []
pages = {
    name: pathlib.Path(f"Sources/{name}/{name}.docc/{name}.md").read_text()
    for name in ("OpenCLHost", "Safetensors", "Descent")
}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.symbols.json")):
    for symbol in json.loads(path.read_text())["symbols"]:
        # Symbols without a location were made by the compiler, such as the == of an enumeration.
        if "location" not in symbol:
            continue
        symbols += 1
        module, names = path.name.split(".")[0].split("@")[0], symbol["pathComponents"]
        what = ".".join([module] + names)
        file = symbol["location"]["uri"].removeprefix("file://")
        place = f"{file}:{symbol['location']['position']['line'] + 1}"
        if not any(line["text"].strip() for line in symbol.get("docComment", {}).get("lines", [])):
            failed.append(f"{place}: {what} has no doc comment")
        if "@" not in path.name and len(names) == 1 and f"- ``{names[0]}``\n" not in pages[module]:
            failed.append(f"{place}: {what} is not on {module}'s first page")
print("\n".join(sorted(failed)) or f"{symbols} public symbols, all documented")
sys.exit(bool(failed))
PYTHON
