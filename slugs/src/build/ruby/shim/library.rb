# Supplies what Ruby's library lacks in a dyno where that is possible, and explains the lack where it is not. A dyno has one
# thread, no processes and no sockets.

module Dyno
  NO_THREADS = "a dyno's Ruby has one thread: do the work in the request, or in a process type of its own (Procfile)"
  NO_PROCESSES = "a dyno's Ruby cannot start processes: do the work in the request, or in a process type of its own (Procfile)"
  NO_SOCKETS = "a dyno's Ruby has no sockets yet"
end

class Thread
  class << self
    def new(*) = raise(ThreadError, Dyno::NO_THREADS)
    alias start new
    alias fork new
  end
end

module Kernel
  def fork(*) = raise(NotImplementedError, Dyno::NO_PROCESSES)
  def spawn(*) = raise(NotImplementedError, Dyno::NO_PROCESSES)
  def system(*) = raise(NotImplementedError, Dyno::NO_PROCESSES)
  def exec(*) = raise(NotImplementedError, Dyno::NO_PROCESSES)
  def `(_) = raise(NotImplementedError, Dyno::NO_PROCESSES)
  private :fork, :spawn, :system, :exec, :`
end

class << IO
  def popen(*) = raise(NotImplementedError, Dyno::NO_PROCESSES)
  def pipe(*) = raise(NotImplementedError, "#{Dyno::NO_THREADS}; a pipe has no other end")
end

class File
  # No other process opens a dyno's files: a lock is always free.
  def flock(_operation) = 0
end

class << Process
  def fork(*) = raise(NotImplementedError, Dyno::NO_PROCESSES)
  def spawn(*) = raise(NotImplementedError, Dyno::NO_PROCESSES)
  def exec(*) = raise(NotImplementedError, Dyno::NO_PROCESSES)
  def daemon(*) = raise(NotImplementedError, Dyno::NO_PROCESSES)
end

# Without a second thread nothing can interrupt the block. The router ends a request that takes too long.
module Timeout
  def self.timeout(seconds, klass = nil, message = nil) = yield(seconds)

  def timeout(...) = Timeout.timeout(...)
end

%w[socket io/wait io/nonblock].each { |name| Dyno.provide(name) }

# Sockets: the classes exist, since libraries name them when they are loaded; making one explains.
class SocketError < StandardError; end unless defined?(SocketError)

class BasicSocket < IO
  def self.new(*) = raise(SocketError, Dyno::NO_SOCKETS)
  def self.open(*) = new
  def self.do_not_reverse_lookup = true
  def self.do_not_reverse_lookup=(value)
    value
  end
end

class Socket < BasicSocket
  module Constants
    AF_UNSPEC = 0
    AF_UNIX = 1
    AF_INET = 2
    AF_INET6 = 10
    SOCK_STREAM = 1
    SOCK_DGRAM = 2
    SOL_SOCKET = 1
    SO_KEEPALIVE = 9
    SO_REUSEADDR = 2
    IPPROTO_TCP = 6
    IPPROTO_IP = 0
    IPPROTO_IPV6 = 41
    TCP_NODELAY = 1
    TCP_KEEPIDLE = 4
    TCP_KEEPINTVL = 5
    TCP_KEEPCNT = 6
    SOMAXCONN = 4096
    INADDR_ANY = 0
  end
  include Constants
  Constants.constants.each { |name| const_set(name, Constants.const_get(name)) unless const_defined?(name, false) }

  class ResolutionError < SocketError; end

  def self.gethostname = ENV["HOSTNAME"] || ENV["DYNO"] || "localhost"
  def self.tcp(*) = new
  def self.unix(*) = new
  def self.getaddrinfo(*) = new
  def self.ip_address_list = []
end

class IPSocket < BasicSocket
  def self.getaddress(*) = new
end

class TCPSocket < IPSocket
  def self.gethostbyname(*) = new
end

class TCPServer < TCPSocket; end
class UDPSocket < IPSocket; end
class UNIXSocket < BasicSocket; end
class UNIXServer < UNIXSocket; end

class Addrinfo
  def self.tcp(*) = raise(SocketError, Dyno::NO_SOCKETS)
  def self.getaddrinfo(*) = raise(SocketError, Dyno::NO_SOCKETS)
end

# The database of users, which a dyno does not have.
unless defined?(Etc)
  module Etc
    def self.getlogin = ENV["USER"] || "dyno"
    def self.nprocessors = 1
    def self.getpwuid(*) = nil
    def self.getpwnam(*) = nil
    def self.getgrgid(*) = nil
    def self.systmpdir = "/tmp"
    def self.uname = { sysname: "wasi", nodename: "dyno", release: "", version: "", machine: "wasm32" }
  end
  Dyno.provide("etc")
end

class Dir
  def self.tmpdir = ENV["TMPDIR"] || "/tmp"
  def self.home(*) = ENV["HOME"] || "/"
end
Dyno.provide("tmpdir") unless $LOADED_FEATURES.any? { |feature| feature.end_with?("/tmpdir.rb") }
