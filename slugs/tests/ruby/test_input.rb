# Random calls of `rack.input`, compared with the same calls of a StringIO. The argument is the folder of the shim.

require "stringio"

module Dyno
  # Stands in for the host: hands out a body in parts.
  module Bridge
    PART_BYTES = 64 * 1024

    class << self
      attr_accessor :body

      def read_body
        part = @body.read(PART_BYTES)
        part unless part.nil? || part.empty?
      end
    end
  end
end

load File.join(ARGV.fetch(0), "input.rb")
Dyno::Input.send(:remove_const, :FILE)
Dyno::Input.const_set(:FILE, File.join(Dir.pwd, "request-body-#{$$}"))

CALLS = {
  part: ->(io, n) { io.read(n * 500) },
  nothing: ->(io, _) { io.read(0) },
  line: ->(io, _) { io.gets },
  paragraph: ->(io, _) { io.gets("\n\n") },
  short_line: ->(io, n) { io.gets("\n", n) },
  chomped: ->(io, _) { io.gets("\n", chomp: true) },
  byte: ->(io, _) { io.getbyte },
  end: ->(io, _) { io.eof? },
  start: ->(io, _) { io.rewind },
  place: ->(io, _) { io.pos }
}.freeze

def check(seed, what, got, expected)
  return if got == expected

  abort "seed #{seed}, #{what}: #{got.inspect[0, 80]}, not #{expected.inspect[0, 80]}"
end

# Sizes at and around the limits of parts and of memory.
SIZES = [0, 1, 10, 1000, 65_535, 65_536, 65_537, 262_144, 262_145, 700_000].freeze
moved = 0
200.times do |seed|
  random = Random.new(seed)
  data = random.bytes(SIZES.sample(random: random)).tr("\x01-\x40", "\n")
  Dyno::Bridge.body = StringIO.new(data)
  input = Dyno::Input.new
  expected = StringIO.new(data)
  40.times do
    name = CALLS.keys.sample(random: random)
    count = random.rand(1..200)
    check(seed, name, CALLS[name].call(input, count), CALLS[name].call(expected, count))
  end
  check(seed, :rest, input.read, expected.read)
  [input, expected].each(&:rewind)
  check(seed, :lines, [].tap { |lines| input.each { |line| lines << line } }, expected.each_line.to_a)
  moved += 1 if input.instance_variable_get(:@file)
  input.discard
  check(seed, :discarded, [input.read(1), input.size], [nil, 0])
end
abort "no body was kept in a file" if moved.zero?
abort "a file is left" unless Dir.glob("request-body-#{$$}").empty?
puts "passed"
