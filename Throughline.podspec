# The Swift facade, for apps that CocoaPods builds. CocoaPods makes one module of a pod, so the targets
# of Package.swift are a pod each.
Pod::Spec.new do |s|
  s.name = "Throughline"
  s.version = "0.1.0"
  s.summary = "Telemetry for iOS apps: traced state, views, taps, requests and errors."
  s.homepage = "https://throughline.dev"
  s.license = { :type => "MIT OR Apache-2.0", :file => "LICENSE-MIT" }
  s.authors = "The Throughline authors"
  # A release has the archive and its checksum here. With `:path`, a checkout needs neither.
  s.source = { :http => s.homepage }
  s.platforms = { :ios => "15.0", :osx => "12.0", :tvos => "15.0", :visionos => "1.0" }
  # The core is linked once, into the app.
  s.static_framework = true

  s.swift_versions = ["5.9"]
  s.source_files = "bindings/swift/Sources/Throughline/**/*.swift"
  s.resource_bundles = { "Throughline" => ["bindings/swift/Sources/Throughline/PrivacyInfo.xcprivacy"] }
  # ThroughlineUI sees what is marked `package`.
  s.pod_target_xcconfig = { "SWIFT_PACKAGE_NAME" => "throughline" }
  s.dependency "ThroughlineFFI", s.version.to_s
  s.dependency "ThroughlineFFIGenerated", s.version.to_s
end
