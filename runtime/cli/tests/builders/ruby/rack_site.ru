# A Rack app with three middlewares. Each path shows one thing that a server of Rack apps owes to its app.

require "json"
require "logger"
require "pstore"
require "rack"
require "zlib"

GREETING = ENV.fetch("GREETING")
LOG = Logger.new($stderr)

# A middleware of the app's own.
class Stopwatch
  def initialize(app)
    @app = app
  end

  def call(env)
    start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    status, headers, body = @app.call(env)
    headers["x-seconds"] = format("%.6f", Process.clock_gettime(Process::CLOCK_MONOTONIC) - start)
    [status, headers, body]
  end
end

# A body with `each` and `close`: what the block yields, and a line in the log at its end.
class Parts
  def initialize(name, &parts)
    @name = name
    @parts = parts
  end

  def each(&block)
    @parts.call(block)
  end

  def close
    warn "closed #{@name}"
  end
end

# Methods of the file itself would not be there in a block of `map`.
module Answers
  def text(answer, status = 200, headers = {})
    [status, { "content-type" => "text/plain; charset=utf-8" }.merge(headers), [answer.to_s]]
  end

  # What an operation raises, in one line.
  def raised
    "no error, but #{yield.inspect}"
  rescue Exception => error
    "#{error.class}: #{error.message}"
  end

  # An environment as JSON: texts, and the classes of other values.
  def as_json(env)
    strings = env.select { |_, value| value.is_a?(String) }
    strings = strings.transform_values { |value| value.dup.force_encoding("UTF-8") }
    others = env.except(*strings.keys).transform_values { |value| value.class.name }
    JSON.generate(strings:, others:, version: env["rack.version"], hijack: env["rack.hijack?"])
  end
end
Object.include(Answers)

count = 0

INTERFACES = {
  "/env" => ->(env) { text(as_json(env)) },
  "/vars" => ->(_) { text([GREETING, ENV["RACK_ENV"], ENV["DYNO"], Dir.pwd, __FILE__].join(" ")) },
  "/random" => lambda do |_|
    text(JSON.generate([rand, Random.rand(9**9), Random.new.rand, SecureRandom.hex, [*1..99].shuffle]))
  end,
  "/cookies" => lambda do |env|
    response = Rack::Response.new(JSON.generate(Rack::Request.new(env).cookies))
    response.set_cookie("a", value: "1 2", path: "/")
    response.set_cookie("b", "2")
    response.finish
  end,
  "/form" => ->(env) { text(JSON.generate(Rack::Request.new(env).params)) },
  "/upload" => lambda do |env|
    file = Rack::Request.new(env).params.fetch("file")
    [200, { "x-file" => file[:filename] }, [file[:tempfile].read]]
  end,
  "/echo" => ->(env) { [201, { "x-length" => env["CONTENT_LENGTH"].to_s }, [env["rack.input"].read]] },
  "/twice" => lambda do |env|
    input = env["rack.input"]
    first = [input.gets, input.read(3), input.read(1, buffer = +"x"), buffer, input.readpartial(2)]
    lines = input.tap(&:rewind).enum_for(:each).to_a
    parts = [*first, input.tap(&:rewind).read, input.read, input.read(1), *lines]
    text(JSON.generate(parts.map { |part| part&.dup&.force_encoding("UTF-8") }))
  end,
  "/gunzip" => ->(env) { text(Zlib.gunzip(env["rack.input"].read)) },
  "/files" => lambda do |_|
    File.write("tmp/words.txt", File.read("words.txt"))
    copy = File.read("/tmp/words.txt")
    Tempfile.create("x") { |file| copy += File.dirname(file.path) }
    text("#{copy} #{raised { File.write("words.txt", "mine") }} #{raised { File.write("new.txt", "mine") }}")
  end,
  "/library" => lambda do |_|
    text([raised { Thread.new { 1 } }, raised { system("ls") }, raised { `ls` }, raised { fork },
          raised { IO.popen("ls") }, raised { exec("ls") },
          raised { PStore.new("tmp/store").transaction { |store| store[:a] = 1 } },
          raised { Net::HTTP.get(URI("http://localhost/")) }].join("\n"))
  end,
  "/log" => lambda do |env|
    $stderr.puts "by $stderr"
    $stdout.puts "by $stdout"
    LOG.warn("by a logger")
    env["rack.errors"].puts "by rack.errors"
    text("logged")
  end
}.freeze

BODIES = {
  "/by-each" => lambda do |env|
    [200, {}, Parts.new("by-each") do |out|
      while (part = env["rack.input"].read(50_000))
        out.call("got #{part.bytesize}\n")
      end
    end]
  end,
  "/by-call" => lambda do |env|
    [200, {}, lambda do |stream|
      while (part = env["rack.input"].read(50_000))
        stream << "got #{part.bytesize}\n"
      end
      stream.write("a", "", "b")
      stream.close
    end]
  end,
  "/long" => ->(_) { [200, {}, Array.new(300) { |n| n.to_s * 1_000 }] },
  "/endless" => ->(_) { [200, {}, Parts.new("endless") { |out| loop { out.call("x" * 65_536) } }] },
  "/no-body" => ->(_) { [204, {}, []] },
  "/announces" => ->(_) { [200, { "content-length" => "30" }, ["thirty bytes, as it is announced."[0, 30]]] },
  "/too-short" => ->(_) { [200, { "content-length" => "30" }, ["half"]] },
  "/too-long" => ->(_) { [200, { "content-length" => "4" }, %w[half more]] },
  "/lines" => ->(_) { text("", 200, "x-lines" => "one\ntwo", "x-list" => %w[three four], "rack.own" => "hidden") }
}.freeze

FAULTS = {
  "/raises" => ->(_) { raise ArgumentError, "nothing of raises" },
  "/exits" => ->(_) { exit 3 },
  "/aborts" => ->(_) { abort "nothing of aborts" },
  "/endless-recursion" => ->(_) { (deeper = ->(n) { 1 + deeper.call(n + 1) }).call(0) },
  "/throws" => ->(_) { throw :nowhere },
  "/interrupts" => ->(_) { raise Interrupt, "nothing of interrupts" },
  "/no-status" => ->(_) { [nil, {}, []] },
  "/bad-status" => ->(_) { ["fine", {}, []] },
  "/bad-header" => ->(_) { [200, { "x-a" => "a\r\nb" }, []] },
  "/bad-name" => ->(_) { [200, { "x a" => "a" }, []] },
  "/each-raises" => ->(_) { [200, {}, Parts.new("raising") { |out| out.call("half") && raise("no more of each") }] },
  "/call-raises" => ->(_) { [200, {}, ->(out) { out.write("half") && raise(KeyError, "no more of call") }] },
  "/each-exits" => ->(_) { [200, {}, Parts.new("exiting") { |out| out.call("half") && exit }] },
  "/yields-number" => ->(_) { [200, {}, Parts.new("number") { |out| out.call("half") && out.call(5) }] },
  "/long-and-raises" => lambda do |_|
    parts = Parts.new("long") { |out| out.call("half") && raise(IOError, "no more of long") }
    [200, { "content-length" => "200000" }, parts]
  end
}.freeze

use Stopwatch
use Rack::Static, urls: ["/assets"], root: "public"

map("/cached") do
  use Rack::ConditionalGet
  use Rack::ETag
  run ->(env) { text("kept #{env["SCRIPT_NAME"]} #{env["PATH_INFO"]}") }
end

map("/checked") do
  use Rack::Lint
  run ->(env) { text(env["rack.input"].read) }
end

map("/deflated") do
  use Rack::Deflater
  run ->(_) { text("pressed " * 100) }
end

map("/") do
  run(lambda do |env|
    count += 1
    path = env["PATH_INFO"]
    answer = INTERFACES[path] || BODIES[path] || FAULTS[path]
    next answer.call(env) if answer
    next text("#{count} #{ENV["DYNO"]}") if path == "/"

    catch(:done) do
      100.times { |n| catch(:inner) { throw :inner if n < 90 } }
      throw :done, text("thrown") if path == "/catch"
      text([env["REQUEST_METHOD"], path, env["QUERY_STRING"], env["REQUEST_URI"], env["HTTP_X_TWO"]].join(" "))
    end
  end)
end
