# Evaluates the podspec as CocoaPods does, and checks what it says against the package. CocoaPods
# itself is in no Debian package.

require_relative "../../swift/podspecs"

PACKAGE = File.expand_path("../react-native", __dir__)

# What a podspec may set, of what CocoaPods knows.
KNOWN = %w[name version summary homepage license authors platforms source source_files private_header_files
           swift_version pod_target_xcconfig].freeze

# React Native's script for pods defines it.
def install_modules_dependencies(spec)
  spec.install
end

spec = podspec(File.join(PACKAGE, "ThroughlineReactNative.podspec"), KNOWN)

missing = KNOWN.reject { |key| spec.set[key] }
raise "the podspec does not say: #{missing.join(", ")}" unless missing.empty?
raise "React Native's own pods are missing" unless spec.installed
# The facade carries the XCFramework. A second one in this pod would be a second core.
%w[Throughline ThroughlineUI].each do |name|
  facade = podspec(File.join(ROOT, "#{name}.podspec"), EVERY + SOME)
  raise "#{name} is missing" unless spec.dependencies[name] == facade.set["version"]
end
raise "the versions differ" unless spec.dependencies.values.uniq == [spec.set["version"]]
raise "the pod brings a library of its own" if Dir.glob(File.join(PACKAGE, "**/*.{a,xcframework}")).any?

# CocoaPods understands the same patterns.
files = spec.set["source_files"].flat_map { |pattern| Dir.glob(File.join(PACKAGE, pattern)) }
names = files.map { |file| File.basename(file) }
%w[ThroughlineModule.mm ThroughlineStarter.swift Module.cpp Door.cpp].each do |name|
  raise "#{name} is not a source file" unless names.include?(name)
end
headers = spec.set["private_header_files"].flat_map { |pattern| Dir.glob(File.join(PACKAGE, pattern)) }
public_headers = files.grep(/\.(h|hpp)$/) - headers
raise "Swift would read #{public_headers}" unless public_headers.empty?

# The Podfile that docs/react-native.md shows, for an app in a folder beside the checkout.
guide = File.read(File.join(ROOT, "docs/react-native.md"))
podfile = guide[/^```ruby\n(.*?)^```/m, 1] or raise "the guide shows no Podfile"
named = {}
Object.new.instance_eval do
  define_singleton_method(:pod) { |name, path:| named[name] = path }
  instance_eval(podfile)
end
pods = Dir.glob("*.podspec", base: ROOT).map { |file| file.delete_suffix(".podspec") }
raise "the guide names the pods #{named.keys}" unless named.keys.sort == pods.sort
raise "the guide looks for them in #{named.values.uniq}" unless named.values.uniq == ["../../throughline"]
