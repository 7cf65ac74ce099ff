# Owns the app's gems: which folders they are in, and what Bundler and RubyGems tell an app about them. The builder has chosen
# the versions (`.dyno/ruby.json`), so nothing is resolved here.

module Dyno
  module Gems
    Entry = Struct.new(:name, :version, :folder, :paths, :executables, keyword_init: true)
    # Where Ruby's own gems have their programs.
    OWN_PROGRAMS = "/usr/local/lib/ruby/gems/*/gems/%s-*/exe/%s"

    @entries = []

    class << self
      attr_reader :entries

      def setup(entries)
        @entries = entries.map { |entry| Entry.new(**entry) }
        $LOAD_PATH.unshift(*@entries.flat_map { |gem| gem.paths.map { |path| File.join(gem.folder, path) } })
        @entries.each { |gem| Gem.loaded_specs[gem.name] = specification(gem) }
      end

      # What `Bundler.require` does: loads each gem that the Gemfile names for one of the groups.
      def require_groups(groups)
        groups = [:default] if groups.empty?
        wanted = groups.map(&:to_sym)
        Gemfile.read.each do |gem|
          load_features(gem) if Gem.loaded_specs.key?(gem.name) && (gem.groups & wanted).any?
        end
      end

      # The file of a gem's program; nil if there is none.
      def program(name)
        gem = entries.find { |entry| entry.executables.key?(name.to_sym) }
        return File.join(gem.folder, gem.executables[name.to_sym]) if gem

        Dir.glob(format(OWN_PROGRAMS, name, name)).first
      end

      private

      def load_features(gem)
        return gem.features.each { |feature| require feature } if gem.features

        load_first(gem.name, gem.name.tr("-", "/"))
      end

      # Loads the first of some features; none needs to exist, but what it loads does.
      def load_first(*features)
        features.uniq.each do |feature|
          return require(feature)
        rescue LoadError => error
          raise unless error.path == feature
        end
      end

      def specification(gem)
        Gem::Specification.new(gem.name, gem.version) do |specification|
          specification.loaded_from = "#{gem.folder}/#{gem.name}.gemspec"
          specification.require_paths = gem.paths
        end
      end
    end

    # The Gemfile, as far as `Bundler.require` needs it.
    class Gemfile
      Line = Struct.new(:name, :groups, :features)

      def self.read
        file = %w[/Gemfile /gems.rb].find { |name| File.file?(name) }
        return [] unless file

        new.tap { |gemfile| gemfile.instance_eval(File.read(file), file) }.lines
      end

      attr_reader :lines

      def initialize
        @lines = []
        @groups = []
      end

      def gem(name, *, group: nil, groups: nil, require: nil, **)
        own = [group, groups].flatten.compact.map(&:to_sym)
        within = (@groups + own).uniq
        features = case require
                   when nil, true then nil
                   when false then []
                   else Array(require)
                   end
        @lines << Line.new(name, within.empty? ? [:default] : within, features)
      end

      def group(*names, **)
        before = @groups
        @groups += names.map(&:to_sym)
        yield
      ensure
        @groups = before
      end

      def eval_gemfile(file) = instance_eval(File.read(File.expand_path(file, "/")), file)

      %i[source platforms platform git path github install_if env].each do |name|
        define_method(name) { |*, **, &block| block&.call }
      end
      %i[ruby gemspec git_source plugin].each { |name| define_method(name) { |*, **| nil } }
    end
  end
end

# Bundler, as far as apps use it at run time.
module Bundler
  class BundlerError < StandardError; end
  class GemfileNotFound < BundlerError; end

  class << self
    def setup(*) = self
    def require(*groups) = Dyno::Gems.require_groups(groups)
    def root = Pathname.new("/")
    def default_gemfile = root + "Gemfile"
    def default_lockfile = root + "Gemfile.lock"
    def with_unbundled_env = yield
    def with_clean_env = yield
    def with_original_env = yield
    def load = self
    def specs = Gem.loaded_specs.values
  end
end

module Kernel
  # `gem "name", "~> 1.0"`: the builder has chosen the versions.
  def gem(name, *)
    return true if Gem.loaded_specs.key?(name)

    raise Gem::MissingSpecError.new(name, Gem::Requirement.default)
  end
  private :gem
end

%w[bundler bundler/setup rubygems bundler/inline].each { |name| Dyno.provide(name) }
