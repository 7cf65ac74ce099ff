# Loads the parts of Ruby's library that need no operating system, and tries some. Prints what fails, then how many were
# loaded.

NAMES = %w[
  abbrev base64 benchmark cgi coverage csv date delegate did_you_mean digest drb English erb etc fcntl
  fileutils find forwardable getoptlong ipaddr json logger matrix minitest monitor mutex_m net/http net/imap
  net/smtp objspace observer open3 open-uri openssl optparse ostruct pathname pp prettyprint prime prism
  pstore psych rake random/formatter rbconfig resolv rexml/document ripper rss securerandom set shellwords
  singleton socket stringio strscan tempfile test/unit time timeout tmpdir tsort un uri weakref yaml zlib
].freeze

NAMES.each do |name|
  require name
rescue LoadError => error
  puts "#{name}: #{error.message}"
end

def check(name, expected)
  found = yield
  puts "#{name}: #{found.inspect}" unless found == expected
end

check("Shift_JIS", [130, 160]) { "あ".encode("Shift_JIS").bytes }
check("normalization", "é") { "e\u0301".unicode_normalize(:nfc) }
check("case", "STRASSE") { "straße".upcase }
check("fibers", [2, 5]) { Fiber.new { |n| 3 + Fiber.yield(n + 1) }.then { |fiber| [fiber.resume(1), fiber.resume(2)] } }
check("monitors", 1) { Monitor.new.synchronize { Thread::Mutex.new.synchronize { 1 } } }
check("time limits", 2) { Timeout.timeout(60) { sleep(0.01) && 2 } }
check("YAML", { "a" => [1, nil] }) { YAML.load("a: [1, ~]") }
check("compression", "words" * 99) { Zlib.gunzip(Zlib.gzip("words" * 99)) }
check("CSV", [["a", "b c"]]) { CSV.parse("a,b c\n") }
check("XML", "text") { REXML::Document.new("<a><b>text</b></a>").root.elements["b"].text }
check("folders", ["a"]) { Dir.mktmpdir { |folder| File.write("#{folder}/a", "") && Dir.children(folder) } }
check("versions", true) { Gem::Version.new("1.2") < Gem::Version.new("1.10") }
at_exit { puts "#{NAMES.size} loaded" }
