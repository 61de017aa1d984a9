#!/bin/sh
# Compiles the examples of the guides. Call it in the package's folder, after `Declarations/check.sh`.
# $1: the folder of the built package's modules. $2: the folder of the declarations' modules. $3: the
# folder of the examples.
set -e
modules=$1 declarations=$2 examples=$3
flags="-swift-version 6 -wmo -suppress-warnings -I $declarations -I $modules -I Sources/ThroughlineFFI/include"
flags="$flags -Xfrontend -enable-objc-interop -o /dev/null -emit-sil"
# What the package has on Apple's systems alone.
flags="$flags -Xfrontend -import-module -Xfrontend ThroughlineOnApple"
manifest=$(dirname "$(readlink -f "$(command -v swiftc)")")/../lib/swift/pm/ManifestAPI
status=0
for file in "$examples"/*.swift; do
    case $(basename "$file") in
    manifest-*) swiftc -I "$manifest" -package-description-version 6.0 -typecheck "$file" || status=1 ;;
    program-*) swiftc $flags -module-name Example "$file" || status=1 ;;
    *) swiftc $flags -module-name Example -parse-as-library "$file" || status=1 ;;
    esac
done
exit $status
