# Owns the environment of a Rack request (Rack's specification, "The Environment").

module Dyno
  module Env
    KEYS = { "content-type" => "CONTENT_TYPE", "content-length" => "CONTENT_LENGTH" }
    # Names of headers whose keys are remembered: an app has a few dozen.
    KEYS_MAX = 256
    STANDARD = {
      "SCRIPT_NAME" => "", "SERVER_PROTOCOL" => "HTTP/1.1", "SERVER_SOFTWARE" => "dyno", "GATEWAY_INTERFACE" => "CGI/1.1",
      "HTTP_VERSION" => "HTTP/1.1", "rack.version" => [1, 6].freeze, "rack.multithread" => false, "rack.multiprocess" => true,
      "rack.run_once" => false, "rack.hijack?" => false
    }.freeze

    class << self
      # The environment of the current request.
      def read
        fields = Bridge.request_head
        method, target, scheme, authority = fields
        env = STANDARD.dup
        add_headers(env, fields)
        path, query = target.split("?", 2)
        env["REQUEST_METHOD"] = method
        env["PATH_INFO"] = path_info(path)
        env["QUERY_STRING"] = query || ""
        env["REQUEST_URI"] = target
        env["REQUEST_PATH"] = path
        env["HTTP_HOST"] = authority unless authority.empty?
        env["REMOTE_ADDR"] = env["HTTP_X_FORWARDED_FOR"].to_s.rpartition(",")[2].strip
        add_server(env, scheme)
        env["rack.input"] = Input.new
        env["rack.errors"] = $stderr
        env["rack.response_finished"] = []
        env
      end

      private

      def add_headers(env, fields)
        at = 4
        while (name = fields[at]) && (value = fields[at + 1])
          key = KEYS[name] || key_of(name)
          env[key] = env.key?(key) ? "#{env[key]}#{key == "HTTP_COOKIE" ? "; " : ","}#{value}" : value
          at += 2
        end
      end

      def add_server(env, scheme)
        forwarded = env["HTTP_X_FORWARDED_PROTO"]
        scheme = forwarded if %w[http https].include?(forwarded)
        env["rack.url_scheme"] = scheme
        env["HTTPS"] = "on" if scheme == "https"
        host = env["HTTP_HOST"] || "localhost"
        name, port = host.match?(/:\d+\z/) ? [host[0...host.rindex(":")], host[(host.rindex(":") + 1)..]] : [host, nil]
        env["SERVER_NAME"] = name
        env["SERVER_PORT"] = port || (scheme == "https" ? "443" : "80")
      end

      # `OPTIONS *` asks about the server; a target with a scheme names the path behind its authority (RFC 9112, 3.2).
      def path_info(path)
        return "/" if path.nil? || path == "*"
        return path if path.start_with?("/")

        "/#{path.partition("://")[2].partition("/")[2]}"
      end

      def key_of(name)
        key = "HTTP_#{name.upcase.tr("-", "_")}".freeze
        KEYS[name.dup.freeze] = key if KEYS.size < KEYS_MAX
        key
      end
    end
  end
end
