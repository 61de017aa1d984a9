# The native library and its module of C, which is no API. Throughline.podspec says why there are four.
Pod::Spec.new do |s|
  s.name = "ThroughlineFFI"
  s.version = "0.1.0"
  s.summary = "A part of Throughline: the native library."
  s.homepage = "https://throughline.dev"
  s.license = { :type => "MIT OR Apache-2.0", :file => "LICENSE-MIT" }
  s.authors = "The Throughline authors"
  # A release has the archive and its checksum here. With `:path`, a checkout needs neither.
  s.source = { :http => s.homepage }
  s.platforms = { :ios => "15.0", :osx => "12.0", :tvos => "15.0", :visionos => "1.0" }
  # The core is linked once, into the app.
  s.static_framework = true

  s.source_files = "bindings/swift/Sources/ThroughlineFFI/**/*.{c,h}"
  s.public_header_files = "bindings/swift/Sources/ThroughlineFFI/include/*.h"
  s.vendored_frameworks = "bindings/swift/Library/ThroughlineCore.xcframework"
  # Swift imports it, also where the app does not ask for modular headers.
  s.pod_target_xcconfig = { "DEFINES_MODULE" => "YES" }
end
