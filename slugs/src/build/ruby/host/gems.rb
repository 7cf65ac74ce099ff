# Run by this machine's Ruby in the app's folder: prints the gems of the Gemfile, as JSON in one line. Either a list, or what is
# missing, or why Bundler refuses the Gemfile.

require "bundler"
require "json"

# The files of a gem whose library is not in the gem's own folder, as distributions of Linux have it: those of its name.
def shared_files(spec, path)
  names = [spec.name, spec.name.tr("-", "/"), spec.name.tr("-", "_")].uniq
  names.flat_map { |name| ["#{path}/#{name}.rb", *Dir.glob("#{path}/#{name}/**/*")] }.select { |file| File.file?(file) }.uniq
end

def describe(spec)
  own = File.expand_path(spec.full_gem_path)
  paths = spec.full_require_paths.map { |path| File.expand_path(path) }.reject { |path| path.include?("/extensions/") }
  # A distribution's gem may have its library in Ruby's folder for vendors, and none of its own.
  paths = paths.map { |path| File.directory?(path) ? path : RbConfig::CONFIG["vendordir"] }.uniq
  inside, outside = paths.partition { |path| path == own || path.start_with?("#{own}/") }
  {
    name: spec.name, version: spec.version.to_s, folder: own,
    paths: inside.map { |path| path == own ? "." : path.delete_prefix("#{own}/") },
    shared: outside.flat_map { |path| shared_files(spec, path).map { |file| [file, file.delete_prefix("#{path}/")] } },
    executables: spec.executables.map { |name| [name, "#{spec.bindir}/#{name}"] },
    native: spec.extensions.any? || spec.platform.to_s != "ruby",
    needs: spec.runtime_dependencies.map(&:name)
  }
end

begin
  definition = Bundler.definition
  specs = definition.specs_for(definition.groups - %i[development test])
  puts JSON.generate(gems: specs.reject { |spec| spec.name == "bundler" }.map { |spec| describe(spec) })
rescue Bundler::GemNotFound, Bundler::GitError, Bundler::PathError => error
  puts JSON.generate(missing: error.message)
rescue StandardError => error
  missing = error.class.name.match?(/SolveFailure|VersionConflict/)
  puts JSON.generate((missing ? :missing : :refused) => error.message)
end
