# Loaded once, while the component is made: the state of the interpreter after this file is the component's first state. So it
# loads what most apps need of Ruby's library, and nothing of an app.

# RubyGems has its own `require`, which searches all installed gems. An app's gems are on the load path instead.
module Kernel
  if private_method_defined?(:gem_original_require)
    alias_method :require, :gem_original_require
    private :require
  end
end

# Libraries that left Ruby's own for gems of their own, and are still delivered with Ruby. An app's gems go first.
$LOAD_PATH.concat(Dir.glob("/usr/local/lib/ruby/gems/*/gems/*/lib"))

require "stringio"
require "json"
require "erb"
require "time"
require "date"
require "uri"
require "set"
require "logger"
require "digest"
require "securerandom"
require "tempfile"
require "fileutils"
require "forwardable"
require "ostruct"
require "optparse"
require "delegate"
require "singleton"
require "monitor"
require "timeout"
require "yaml"
require "strscan"
require "zlib"
require "pathname"
require "cgi"
require "open3"
require "weakref"
require "tsort"
require "English"
require "benchmark"
require "shellwords"
require "rbconfig"

module Dyno
  # The folder of the features that these files supply. There is no such folder in a dyno: Ruby knows them as loaded.
  FEATURES = "/dyno/features"
  $LOAD_PATH << FEATURES

  # Makes `require name` a success for a feature that these files define.
  def self.provide(name)
    $LOADED_FEATURES << "#{FEATURES}/#{name}.rb"
  end
end

%w[bridge library openssl gems input response env capture app command].each { |name| require "/dyno/#{name}" }

# These need the sockets of the file `library`.
require "ipaddr"
require "net/http"
require "open-uri"
require "resolv"

$stdout.sync = true
$stderr.sync = true
$PROGRAM_NAME = "ruby"
GC.start
