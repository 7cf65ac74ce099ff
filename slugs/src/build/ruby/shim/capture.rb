# Owns the stand-ins for web servers. A program that starts a server (`Rackup::Handler.get("puma").run app`,
# `MyApp.run!`) hands its app over to one; the dyno keeps the app, and the program ends there.

module Dyno
  module Capture
    module Handler
      def self.run(app, **)
        throw :dyno_app, app
      end

      def self.valid_options = {}
      def self.shutdown = nil
    end

    @installed = {}

    # Registers the stand-in with the handler registries of the app's gems, if they are loaded.
    def self.install
      install_in(::Rackup::Handler) if defined?(::Rackup::Handler)
      install_in(::Rack::Handler) if defined?(::Rack::Handler)
    end

    def self.install_in(registry)
      return if @installed[registry]

      @installed[registry] = true
      %i[get pick default].each { |name| registry.define_singleton_method(name) { |*| Handler } }
    end
    private_class_method :install_in
  end
end

# Programs may load their server before they start it.
%w[puma rack/handler/puma rackup/handler/puma thin rack/handler/thin unicorn falcon].each { |name| Dyno.provide(name) }
