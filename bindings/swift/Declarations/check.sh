#!/bin/sh
# Compiles ThroughlineUI, the sample app for iOS and the files in `Checks` against the declarations in
# this folder, and checks that no public name is one of Apple's. Call it in the package's folder.
# $1: the folder of the built package's modules. $2: a folder for the modules of the declarations.
set -e
modules=$1 out=$2
mkdir -p "$out"
flags="-parse-as-library -wmo -I $out -Xfrontend -enable-objc-interop"
names="ObjectiveC MetricKit QuartzCore Network UIKit SwiftUI Combine CoreData MapKit Later os AppleFoundation UserNotifications"
for name in $names; do
    swiftc $flags -suppress-warnings -emit-module -module-name $name -o "$out/$name.swiftmodule" Declarations/$name.swift
done

# For each public type, a file that does not import Throughline must not know its name.
frameworks="Foundation FoundationNetworking Dispatch Observation RegexBuilder Synchronization $names"
public='s/^\(public\|open\|package\) \(final \|indirect \)*\(class\|struct\|enum\|protocol\|actor\|typealias\) \([A-Za-z]*\).*/\4/p'
{
    for name in $frameworks; do echo "import $name"; done
    sed -n "$public" Sources/Throughline/*.swift Sources/ThroughlineUI/*.swift | sort -u |
        while read -r type; do echo "extension $type {}"; done
} >"$out/names.swift"
swiftc -I "$out" -Xfrontend -enable-objc-interop -typecheck "$out/names.swift" 2>"$out/names.txt" || true
expected=$(grep -c '^extension' "$out/names.swift")
test "$expected" -gt 40 || { echo "only $expected public types were found"; exit 1; }
clashes=$(sed -n 's/^extension \([A-Za-z]*\).*/\1/p' "$out/names.swift" | while read -r type; do
    grep -q "error: cannot find type '$type' in scope" "$out/names.txt" || echo "$type"
done)
test -z "$clashes" || { echo "also types of Apple's frameworks or of Swift's:" $clashes; exit 1; }

# Compiles as far as the checks of actor isolation, which a check of types alone leaves out. SwiftPM
# names the package after the folder of its manifest.
package=$(basename "$(cd ../.. && pwd)" | tr '[:upper:]' '[:lower:]')
flags="$flags -swift-version 6 -warnings-as-errors -package-name $package -D DECLARATIONS -I $modules"
flags="$flags -I Sources/ThroughlineFFI/include"
swiftc $flags -emit-module -module-name ThroughlineUI -o "$out/ThroughlineUI.swiftmodule" Sources/ThroughlineUI/*.swift
swiftc $flags -emit-sil -module-name ThroughlineUI -o /dev/null Sources/ThroughlineUI/*.swift
# For Apple's systems, where there are background sessions and app groups.
swiftc $flags -emit-module -module-name ThroughlineOnApple -o "$out/ThroughlineOnApple.swiftmodule" \
    Sources/Throughline/AppleSystems.swift
swiftc $flags -emit-sil -module-name ThroughlineOnApple -o /dev/null Sources/Throughline/AppleSystems.swift
# The sample app and its extension, which may not have what only an app may call.
sample=../../examples/swift/ios-app
apple="-Xfrontend -import-module -Xfrontend ThroughlineOnApple -Xfrontend -import-module -Xfrontend AppleFoundation"
swiftc $flags $apple -emit-sil -module-name Shop -o /dev/null $sample/Shop/*.swift $sample/Shared/*.swift
swiftc $flags $apple -emit-sil -module-name ShopNotifications -o /dev/null \
    $sample/ShopNotifications/*.swift $sample/Shared/*.swift
swiftc $flags -emit-sil -module-name Neighbours -o /dev/null Declarations/Checks/Neighbours.swift
swiftc $flags -typecheck -module-name Suspending -Xfrontend -verify Declarations/Checks/Suspending.swift
# What JavaScript starts with. Its Objective-C++ finds `ThroughlineStarter` by `@objc`, which needs Apple's systems.
ios=../typescript/react-native/ios
sed 's/@objc //' $ios/ThroughlineStarter.swift >"$out/ThroughlineStarter.swift"
swiftc $flags -emit-sil -module-name ThroughlineReactNative -o /dev/null "$out/ThroughlineStarter.swift" \
    $ios/Fields.swift $ios/StartRequest.swift $ios/Starter.swift
# For a system that has a log, as Linux has not.
swiftc $flags -emit-sil -module-name SystemLog -o /dev/null Sources/Throughline/SystemLog.swift
# For systems that have Objective-C.
swiftc $flags -emit-sil -module-name UncaughtExceptions -o /dev/null \
    Sources/Throughline/UncaughtExceptions.swift Declarations/Checks/Recording.swift
# For iOS, where MetricKit is.
swiftc $flags -emit-sil -module-name MetricKitReporter -o /dev/null \
    Sources/Throughline/MetricKitReporter.swift Declarations/Checks/Reporting.swift
# An app extension may link `Throughline`: what only an app may call is not in it.
modules=$(sed -n 's/^\(internal \|@_exported \)*import \([A-Za-z.]*\).*/\2/p' Sources/Throughline/*.swift | sort -u)
for module in $modules; do
    case $module in
    AppleFoundation | Darwin | Dispatch | Foundation | FoundationNetworking | Glibc | MetricKit | ObjectiveC) ;;
    Observation | Throughline | ThroughlineFFI | ThroughlineFFIGenerated | os) ;;
    *) echo "Throughline imports $module, which an app extension may not have" && exit 1 ;;
    esac
done
