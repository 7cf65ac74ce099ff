# Owns the app: its loading at boot, and the answer to each request.

module Dyno
  # Set by the builder: see slugs/src/build/ruby/entry.rs.
  ENTRY = "/.dyno/ruby.json"

  class << self
    # Called by the host once in each instance, before the first request.
    def load
      begin_process
      @app = load_app
    rescue Exception => error # SystemExit and syntax errors too: the app is not up
      print_error(error)
      @broken = true
      Bridge.report_load_error(one_line(error))
    end

    # Called by the host for each request.
    def handle
      load unless @app || @broken
      return Bridge.report_load_error("not loaded") if @broken

      answer(@app)
    end

    # Sets the interpreter up for this process: the snapshot has environment and random numbers of the build.
    def begin_process
      ENV.replace(Bridge.environment.to_h { |line| line.split("=", 2) })
      srand(Random.new_seed)
      Dir.chdir("/")
      @entry = read_entry
      Gems.setup(@entry[:gems])
    end

    # Sets variables that no config var sets: those of the command line of `web`, and the defaults.
    def set_defaults(settings = {})
      settings.each { |name, value| ENV[name.to_s] ||= value }
      ENV["RACK_ENV"] ||= "production"
      ENV["APP_ENV"] ||= ENV["RACK_ENV"]
      ENV["HOME"] ||= "/"
      ENV["TMPDIR"] ||= "/tmp"
    end

    def print_error(error)
      $stderr.puts(error.full_message(highlight: false, order: :top))
    end

    private

    def read_entry
      return { gems: [] } unless File.file?(ENTRY)

      JSON.parse(File.read(ENTRY), symbolize_names: true)
    end

    def load_app
      set_defaults(@entry[:env] || {})
      $LOAD_PATH.unshift(*(@entry[:paths] || []).map { |path| File.expand_path(path, "/") })
      start = @entry[:start] or raise LoadError, "the app has no process type `web`"
      return load_rackup(start) if start.end_with?(".ru")

      load_program(start)
    end

    def load_rackup(file)
      require "rack"
      require "rack/builder"
      built = Rack::Builder.parse_file("/#{file}")
      built.is_a?(Array) ? built[0] : built
    end

    # A program that would start a server. Its app is the one that it passes to a server, or Sinatra's classic application.
    def load_program(file)
      $PROGRAM_NAME = "/#{file}" # equal to `__FILE__` in the program
      app = catch(:dyno_app) do
        TracePoint.new(:end) { Capture.install }.enable { Kernel.load("/#{file}") }
        nil
      end
      return app if app
      return Sinatra::Application if defined?(Sinatra::Application)

      raise LoadError, "#{file} starts no Rack app: write a config.ru with `run App`, or start a server in #{file}"
    end

    def answer(app)
      env = Env.read
      input = env["rack.input"]
      status, headers, body = app.call(env)
      Response.send_all(status, headers, body, env["REQUEST_METHOD"] == "HEAD")
      finish(env, status, headers, nil)
    rescue Errno::EPIPE
      Bridge.break_off # the client has left
    rescue Exception => error # also `exit` in an app ends its request, not the dyno
      print_error(error)
      fail_response
      finish(env, nil, nil, error) if env
    ensure
      input&.discard
    end

    # An error page if nothing was sent yet; else the response is broken off.
    def fail_response
      Bridge.start_response(%w[500 content-type text/plain])
      Bridge.send("Internal Server Error\n")
      Bridge.finish
    rescue ArgumentError, SystemCallError
      Bridge.break_off
    end

    # The callbacks of Rack 3 (`rack.response_finished`) and of puma (`rack.after_reply`).
    def finish(env, status, headers, error)
      env["rack.response_finished"]&.reverse_each { |callback| callback.call(env, status, headers, error) }
      env["rack.after_reply"]&.each(&:call)
    rescue StandardError => error
      print_error(error)
    end

    def one_line(error)
      "#{error.message.to_s.lines.first.to_s.strip} (#{error.class})"
    end
  end
end
