# Owns the stand-ins for web servers. A program that starts a server (`Rackup::Handler.get("puma").run app`,
# `MyApp.run!`) hands its app over to one; the dyno keeps the app, and the program ends there.

module Dyno
  module Capture
    # The programs that are servers of Rack apps, with the names of their handlers.
    SERVERS = %w[puma thin webrick falcon unicorn].freeze

    module Handler
      def self.run(app, **)
        throw :dyno_app, app
      end

      def self.valid_options = {}
      def self.shutdown = nil
    end

    # Registers the stand-ins with the handler registries of the app's gems, if they are loaded.
    def self.install
      registries = []
      registries << ::Rackup::Handler if defined?(::Rackup::Handler)
      registries << ::Rack::Handler if defined?(::Rack::Handler)
      registries.uniq.each do |registry|
        registry.define_singleton_method(:get) { |_ = nil| Handler }
        registry.define_singleton_method(:pick) { |_ = nil| Handler }
        registry.define_singleton_method(:default) { |*| Handler }
      end
    end
  end
end

# Libraries name these servers when they are loaded.
module Puma
  module Plugin; end
end
%w[puma rack/handler/puma rackup/handler/puma thin rack/handler/thin unicorn falcon].each { |name| Dyno.provide(name) }
