require "json"

package = JSON.parse(File.read(File.join(__dir__, "package.json")))

Pod::Spec.new do |s|
  s.name = "ThroughlineReactNative"
  s.version = package["version"]
  s.summary = package["description"]
  s.homepage = package["homepage"]
  s.license = package["license"]
  s.authors = package["author"]
  # The lowest that React Native 0.76 has.
  s.platforms = { :ios => "15.1" }
  # Autolinking takes it from node_modules.
  s.source = { :http => package["homepage"] }

  s.source_files = "ios/*.{h,m,mm,swift}", "cpp/**/*.{h,hpp,cpp}"
  # They are C++, and the umbrella header of the module is read as C by Swift.
  s.private_header_files = "ios/*.h", "cpp/**/*.{h,hpp}"
  s.swift_version = "6.0"
  s.pod_target_xcconfig = {
    "CLANG_CXX_LANGUAGE_STANDARD" => "c++20",
    "DEFINES_MODULE" => "YES",
    "HEADER_SEARCH_PATHS" => "\"$(PODS_TARGET_SRCROOT)/cpp\" \"$(PODS_TARGET_SRCROOT)/cpp/generated\" " \
                             "\"$(PODS_TARGET_SRCROOT)/cpp/uniffi\"",
  }

  # The facade for Swift, and with it the core's XCFramework. This pod has no library of its own, so
  # that the core is linked once, whether the app, JavaScript or both start the client.
  s.dependency "Throughline", s.version.to_s
  s.dependency "ThroughlineUI", s.version.to_s

  install_modules_dependencies(s)
end
