#!/usr/bin/env bash
# Renders SVG files in a browser, for inspection: wide and narrow, light and dark, and in grey.
#
#   Scripts/render.sh OUTPUT-FOLDER FILE.svg…
#
# Needs chromium. Reduced motion is forced, so the still picture is rendered.
set -euo pipefail

if [ $# -lt 2 ]; then
  echo "usage: Scripts/render.sh OUTPUT-FOLDER FILE.svg…" >&2
  exit 2
fi
output=$1
shift
mkdir -p "$output"
pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT

page() { # name, svg, filter: an HTML page, where an SVG can be narrower than it was drawn
  printf '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<style>body{margin:0}img{display:block;max-width:100%%;filter:%s}</style><img src="file://%s">' \
    "$3" "$(realpath "$2")" >"$pages/$1.html"
}

shoot() { # page, width, height, scheme (0 is dark), file
  chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars --force-device-scale-factor=2 \
    --force-prefers-reduced-motion --allow-file-access-from-files \
    --blink-settings=preferredColorScheme="$4" --window-size="$2,$3" \
    --screenshot="$output/$5.png" "file://$pages/$1.html" 2>/dev/null
}

for svg in "$@"; do
  name=$(basename "$svg" .svg)
  page "$name" "$svg" none
  page "$name-grey" "$svg" 'grayscale(1)'
  shoot "$name" 1280 720 1 "$name-1280-light"
  shoot "$name" 1280 720 0 "$name-1280-dark"
  # Chromium's window has a minimum width; a narrower page is shown in a frame.
  printf '<!doctype html><style>body{margin:0}</style><iframe src="%s.html" width="320" height="720" style="border:0"></iframe>' \
    "$name" >"$pages/$name-320.html"
  shoot "$name-320" 500 720 1 "$name-320-light"
  shoot "$name-320" 500 720 0 "$name-320-dark"
  shoot "$name-grey" 1280 720 1 "$name-grey"
  echo "$output/$name-*.png"
done
