#!/bin/sh
# Compiles ThroughlineUI and the sample app for iOS against the declarations in this folder. Call it in
# the package's folder.
# $1: the folder of the built package's modules. $2: a folder for the modules of the declarations.
set -e
modules=$1 out=$2
mkdir -p "$out"
flags="-parse-as-library -wmo -I $out -Xfrontend -enable-objc-interop"
for name in ObjectiveC QuartzCore Network UIKit SwiftUI; do
    swiftc $flags -suppress-warnings -emit-module -module-name $name -o "$out/$name.swiftmodule" Declarations/$name.swift
done
# Compiles as far as the checks of actor isolation, which a check of types alone leaves out.
flags="$flags -swift-version 6 -warnings-as-errors -package-name swift -D DECLARATIONS -I $modules"
for include in ThroughlineFFI ThroughlineProcess; do flags="$flags -I Sources/$include/include"; done
swiftc $flags -emit-module -module-name ThroughlineUI -o "$out/ThroughlineUI.swiftmodule" Sources/ThroughlineUI/*.swift
swiftc $flags -emit-sil -module-name ThroughlineUI -o /dev/null Sources/ThroughlineUI/*.swift
swiftc $flags -emit-sil -module-name ShopApp -o /dev/null ../../examples/swift/ios-app/*.swift
