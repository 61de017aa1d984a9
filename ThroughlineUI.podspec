# What records SwiftUI and UIKit. Throughline.podspec says why there are four.
Pod::Spec.new do |s|
  s.name = "ThroughlineUI"
  s.version = "0.1.0"
  s.summary = "Throughline for SwiftUI and UIKit."
  s.homepage = "https://throughline.dev"
  s.license = { :type => "MIT OR Apache-2.0", :file => "LICENSE-MIT" }
  s.authors = "The Throughline authors"
  # A release has the archive and its checksum here. With `:path`, a checkout needs neither.
  s.source = { :http => s.homepage }
  s.platforms = { :ios => "15.0", :osx => "12.0", :tvos => "15.0", :visionos => "1.0" }
  # The core is linked once, into the app.
  s.static_framework = true

  s.swift_versions = ["5.9"]
  s.source_files = "bindings/swift/Sources/ThroughlineUI/**/*.swift"
  s.pod_target_xcconfig = { "SWIFT_PACKAGE_NAME" => "throughline" }
  s.dependency "Throughline", s.version.to_s
  s.dependency "ThroughlineFFI", s.version.to_s
end
