# The generated Swift code, which is no API. Throughline.podspec says why there are four.
Pod::Spec.new do |s|
  s.name = "ThroughlineFFIGenerated"
  s.version = "0.1.0"
  s.summary = "A part of Throughline: generated code."
  s.homepage = "https://throughline.dev"
  s.license = { :type => "MIT OR Apache-2.0", :file => "LICENSE-MIT" }
  s.authors = "The Throughline authors"
  # A release has the archive and its checksum here. With `:path`, a checkout needs neither.
  s.source = { :http => s.homepage }
  s.platforms = { :ios => "15.0", :osx => "12.0", :tvos => "15.0", :visionos => "1.0" }
  # The core is linked once, into the app.
  s.static_framework = true

  s.swift_versions = ["5.9"]
  s.source_files = "bindings/swift/Sources/ThroughlineFFIGenerated/**/*.swift"
  s.dependency "ThroughlineFFI", s.version.to_s
end
