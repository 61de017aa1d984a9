# Evaluates the podspec as CocoaPods does, and checks what it says against the package. CocoaPods
# itself is in no Debian package.

PACKAGE = File.expand_path("../react-native", __dir__)

# What a podspec may set, of what CocoaPods knows.
KNOWN = %w[name version summary homepage license authors platforms source source_files private_header_files
           swift_version pod_target_xcconfig].freeze

# Takes what the podspec sets.
class Spec
  attr_reader :set, :dependencies, :installed

  def initialize
    @set = {}
    @dependencies = {}
  end

  def method_missing(name, *values)
    key = name.to_s.delete_suffix("=")
    raise "#{key} is not known" unless KNOWN.include?(key)

    @set[key] = values.first if name.end_with?("=")
    @set.fetch(key)
  end

  def respond_to_missing?(*)
    true
  end

  def dependency(name, version)
    @dependencies[name] = version
  end

  def install
    @installed = true
  end
end

module Pod
  module Spec
    def self.new
      yield($spec = ::Spec.new)
    end
  end
end

# React Native's script for pods defines it.
def install_modules_dependencies(spec)
  spec.install
end

load File.join(PACKAGE, "ThroughlineReactNative.podspec")
spec = $spec

missing = KNOWN.reject { |key| spec.set[key] }
raise "the podspec does not say: #{missing.join(", ")}" unless missing.empty?
raise "React Native's own pods are missing" unless spec.installed
# The facade carries the XCFramework. A second one in this pod would be a second core.
raise "the facade is missing" unless spec.dependencies["Throughline"] == spec.set["version"]
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
