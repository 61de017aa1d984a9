# Evaluates the podspecs of a folder as CocoaPods does, and checks what they say against the sources and
# against Package.swift. CocoaPods itself is in no Debian package.
#
# usage: ruby podspecs.rb FOLDER

# Takes what a podspec sets, of what CocoaPods knows.
class Spec
  attr_reader :set, :dependencies, :installed

  def initialize(known)
    @known = known
    @set = {}
    @dependencies = {}
  end

  def method_missing(name, *values)
    key = name.to_s.delete_suffix("=")
    raise "#{key} is not known" unless @known.include?(key)

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
  # Named as CocoaPods names it, for podspecs.
  module Spec
    class << self
      attr_accessor :known, :last

      def new
        yield(self.last = ::Spec.new(known))
      end
    end
  end
end

# The podspec in a file. `known` is what it may set.
def podspec(file, known)
  Pod::Spec.known = known
  load file
  Pod::Spec.last
end

# What every podspec of ours says, and what some say.
EVERY = %w[name version summary homepage license authors platforms source source_files static_framework].freeze
SOME = %w[public_header_files vendored_frameworks swift_versions resource_bundles pod_target_xcconfig].freeze

ROOT = File.expand_path("../..", __dir__)

def check(folder)
  files = Dir.glob(File.join(folder, "*.podspec"))
  pods = files.to_h { |file| [File.basename(file, ".podspec"), podspec(File.expand_path(file), EVERY + SOME)] }
  expected = Dir.children(File.join(__dir__, "Sources")).sort
  raise "the pods are #{pods.keys.sort}, the targets #{expected}" unless pods.keys.sort == expected

  manifest = File.read(File.join(ROOT, "Package.swift"))
  pods.each do |name, pod|
    missing = EVERY.reject { |key| pod.set[key] }
    raise "#{name} does not say: #{missing.join(", ")}" unless missing.empty?
    raise "#{name} is called #{pod.set["name"]}" unless pod.set["name"] == name

    sources = Dir.glob(File.join(ROOT, pod.set["source_files"]))
    all = Dir.glob(File.join(__dir__, "Sources", name, "**/*.{swift,c,h}"))
    raise "#{name} leaves out #{all - sources}" unless sources.sort == all.sort

    # An import that no dependency brings is a build error in an app.
    imports = sources.flat_map { |file| File.read(file).scan(/^\S*\s*import (Throughline\w*)/) }.flatten.uniq - [name]
    raise "#{name} imports #{imports}, and depends on #{pod.dependencies}" unless (imports - pod.dependencies.keys).empty?

    pod.dependencies.each do |dependency, version|
      raise "#{dependency} is no pod of ours" unless pods.key?(dependency)
      raise "#{name} wants #{version} of #{dependency}" unless version == pods[dependency].set["version"]
    end
    systems = { ios: "iOS", osx: "macOS", tvos: "tvOS", visionos: "visionOS" }
    pod.set["platforms"].each do |system, version|
      declared = ".#{systems.fetch(system)}(.v#{version.delete_suffix(".0")})"
      raise "Package.swift does not have #{declared}" unless manifest.include?(declared)
    end
    raise "#{name} is a dynamic framework" unless pod.set["static_framework"]
    raise "#{name} is unsafe: #{pod.set["source"]}" unless pod.set["source"][:http].start_with?("https://")
    pod.set["resource_bundles"]&.each_value do |patterns|
      raise "#{patterns} name nothing" unless patterns.all? { |pattern| Dir.glob(File.join(ROOT, pattern)).any? }
    end
  end
  # One pod has the library, so that it is linked once.
  owners = pods.select { |_, pod| pod.set["vendored_frameworks"] }.keys
  raise "the library is in #{owners}" unless owners == ["ThroughlineFFI"]
  framework = pods["ThroughlineFFI"].set["vendored_frameworks"]
  named = %w[folder framework].map { |what| manifest[/^let #{what} = "(.*)"$/, 1] }.join("/")
  raise "the package has #{named}, the pod #{framework}" unless framework == named

  # What a released pod downloads has these very files, and this checksum.
  sources = pods.values.map { |pod| pod.set["source"] }.uniq
  raise "the pods download #{sources}" unless sources.length == 1
  return unless (checksum = sources.first[:sha256])

  archive = File.join(folder, File.basename(sources.first[:http]))
  raise "the checksum is wrong" unless `sha256sum #{archive}`.start_with?(checksum)
  names = `unzip -Z1 #{archive}`.lines.map(&:chomp)
  raise "the archive lacks the library" unless names.include?("#{framework}/Info.plist")
  pods.each_value do |pod|
    lacking = Dir.glob(pod.set["source_files"], base: ROOT) - names
    raise "the archive lacks #{lacking}" unless lacking.empty?
  end
end

check(ARGV.first) if __FILE__ == $PROGRAM_NAME
