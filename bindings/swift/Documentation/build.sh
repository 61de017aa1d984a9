#!/bin/sh
# Builds the pages of Throughline's API with DocC, and fails when a comment names something that is not
# there. Call it in the package's folder. $1: the folder of the built package's modules. $2: a folder
# for the pages.
set -e
modules=$1 out=$2
rm -rf "$out"
mkdir -p "$out/symbols"
target=$(swiftc -print-target-info | sed -n 's/.*"triple": "\(.*\)",/\1/p' | head -1)
swift symbolgraph-extract -module-name Throughline -target "$target" -I "$modules" \
    -I Sources/ThroughlineFFI/include -output-dir "$out/symbols" -minimum-access-level public \
    -skip-synthesized-members
docc=$(command -v docc || echo "$(dirname "$(readlink -f "$(command -v swiftc)")")/docc")
"$docc" convert Documentation/Throughline.docc --fallback-display-name Throughline \
    --fallback-bundle-identifier dev.throughline --fallback-bundle-version 0.1 \
    --additional-symbol-graph-dir "$out/symbols" --output-dir "$out/pages" --hosting-base-path swift --analyze >"$out/said.txt" 2>&1 ||
    { cat "$out/said.txt"; exit 1; }
if grep -q '^\(warning\|error\):' "$out/said.txt"; then
    cat "$out/said.txt"
    exit 1
fi
pages=$(find "$out/pages/data/documentation" -name '*.json' | wc -l)
test "$pages" -gt 200 || { echo "only $pages pages"; exit 1; }
echo "── $pages pages in the folder ${out##*/}/pages"
