# Supplies the parts of `openssl` that web apps use without connections: digests, HMAC, AES, key derivation and random bytes.
# The component has no OpenSSL: digests come from Ruby's `digest`, AES and key derivation from the bridge.

require "digest"

module OpenSSL
  VERSION = "3.3.0"
  OPENSSL_VERSION = "dyno (no OpenSSL)"
  OPENSSL_LIBRARY_VERSION = OPENSSL_VERSION
  OPENSSL_VERSION_NUMBER = 0x30000000

  class OpenSSLError < StandardError; end

  def self.secure_compare(left, right)
    fixed_length_secure_compare(Digest.digest("SHA256", left), Digest.digest("SHA256", right)) && left == right
  end

  # Compares two strings of one length in a time that does not depend on where they differ.
  def self.fixed_length_secure_compare(left, right)
    raise ArgumentError, "inputs must be of equal length" unless left.bytesize == right.bytesize

    difference = 0
    right = right.bytes
    left.each_byte.with_index { |byte, at| difference |= byte ^ right[at] }
    difference.zero?
  end

  class Digest < ::Digest::Class
    class DigestError < OpenSSLError; end

    ALGORITHMS = {
      "MD5" => ::Digest::MD5, "SHA1" => ::Digest::SHA1, "SHA256" => ::Digest::SHA256, "SHA384" => ::Digest::SHA384,
      "SHA512" => ::Digest::SHA512
    }.freeze

    attr_reader :name

    def self.algorithm(name)
      name = name.name if name.respond_to?(:name)
      wanted = name.to_s.upcase.delete("-")
      ALGORITHMS.fetch(wanted) { raise "Unsupported digest algorithm (#{name}).: a dyno has #{ALGORITHMS.keys.join(", ")}" }
      wanted
    end

    def self.digest(name, data) = ALGORITHMS[algorithm(name)].digest(data)
    def self.hexdigest(name, data) = ALGORITHMS[algorithm(name)].hexdigest(data)

    def initialize(name, data = nil)
      super()
      @name = Digest.algorithm(name)
      @digest = ALGORITHMS[@name].new
      update(data) if data
    end

    def initialize_copy(other)
      super
      @digest = @digest.dup
    end

    def update(data)
      @digest.update(data)
      self
    end
    alias << update

    def reset
      @digest.reset
      self
    end

    def finish = @digest.digest
    def digest_length = @digest.digest_length
    def block_length = @digest.block_length

    ALGORITHMS.each_key do |algorithm|
      const_set(algorithm, Class.new(Digest) do
        define_singleton_method(:digest) { |data| ALGORITHMS[algorithm].digest(data) }
        define_singleton_method(:hexdigest) { |data| ALGORITHMS[algorithm].hexdigest(data) }
        define_method(:initialize) { |data = nil| super(algorithm, data) }
      end)
    end
  end

  # RFC 2104.
  class HMAC
    def self.digest(digest, key, data) = new(key, digest).update(data).digest
    def self.hexdigest(digest, key, data) = digest(digest, key, data).unpack1("H*")
    def self.base64digest(digest, key, data) = [digest(digest, key, data)].pack("m0")

    def initialize(key, digest)
      @algorithm = Digest::ALGORITHMS[Digest.algorithm(digest)]
      block = @algorithm.new.block_length
      key = @algorithm.digest(key) if key.bytesize > block
      bytes = key.bytes + [0] * (block - key.bytesize)
      @inner_key = bytes.map { |byte| byte ^ 0x36 }.pack("C*")
      @outer_key = bytes.map { |byte| byte ^ 0x5c }.pack("C*")
      reset
    end

    def update(data)
      @inner.update(data)
      self
    end
    alias << update

    def reset
      @inner = @algorithm.new.update(@inner_key)
      self
    end

    def digest = @algorithm.digest(@outer_key + @inner.dup.digest)
    def hexdigest = digest.unpack1("H*")
    alias to_s hexdigest
    alias inspect hexdigest
    def base64digest = [digest].pack("m0")
    def ==(other) = other.is_a?(HMAC) && OpenSSL.fixed_length_secure_compare(digest, other.digest)
  end

  module Random
    def self.random_bytes(count) = ::Random.urandom(count)
    def self.bytes(count) = ::Random.urandom(count)
    def self.seed(*) = nil
  end

  module KDF
    class KDFError < OpenSSLError; end

    # PBKDF2 (RFC 8018).
    def self.pbkdf2_hmac(password, salt:, iterations:, length:, hash:)
      name = Digest.algorithm(hash).downcase
      Dyno::Bridge.encrypt("k", name, password, salt, [iterations].pack("V"), [length].pack("V"))
    rescue Errno::EINVAL
      raise KDFError, "PBKDF2 with #{name} is not supported"
    end

    # HKDF (RFC 5869).
    def self.hkdf(secret, salt:, info:, length:, hash:)
      salt = "\0" * Digest.new(hash).digest_length if salt.empty?
      key = HMAC.digest(hash, salt, secret)
      output = block = "".b
      (1..255).each do |count|
        break if output.bytesize >= length

        block = HMAC.digest(hash, key, block + info + count.chr)
        output += block
      end
      output[0, length]
    end
  end

  module PKCS5
    def self.pbkdf2_hmac(password, salt, iterations, length, digest)
      KDF.pbkdf2_hmac(password, salt:, iterations:, length:, hash: digest)
    end

    def self.pbkdf2_hmac_sha1(password, salt, iterations, length) = pbkdf2_hmac(password, salt, iterations, length, "SHA1")
  end

  # AES in the modes CBC, CTR and GCM. The data is collected, and encrypted by `final`.
  class Cipher
    class CipherError < OpenSSLError; end
    class AuthTagError < CipherError; end

    NAME = /\Aaes-?(128|192|256)-(cbc|ctr|gcm)\z/i

    def self.ciphers
      %w[128 192 256].flat_map { |bits| %w[cbc ctr gcm].map { |mode| "aes-#{bits}-#{mode}" } }
    end

    attr_reader :name, :key_len, :iv_len
    attr_writer :auth_data

    def initialize(name)
      parts = NAME.match(name) or raise(RuntimeError, "unsupported cipher algorithm (#{name}): a dyno has #{Cipher.ciphers.join(", ")}")
      @name = name.upcase
      @key_len = parts[1].to_i / 8
      @mode = parts[2].downcase
      @iv_len = @mode == "gcm" ? 12 : 16
      @is_padded = true
      reset
    end

    def encrypt
      @way = "e"
      self
    end

    def decrypt
      @way = "d"
      self
    end

    def key=(key)
      raise ArgumentError, "key must be #{@key_len} bytes" unless key.bytesize == @key_len

      @key = key
    end

    def iv=(iv)
      raise ArgumentError, "iv must be #{@iv_len} bytes" unless iv.bytesize == @iv_len

      @iv = iv
    end

    def padding=(count)
      @is_padded = !count.zero?
    end

    def random_key = self.key = Random.random_bytes(@key_len)
    def random_iv = self.iv = Random.random_bytes(@iv_len)
    def block_size = @mode == "cbc" ? 16 : 1
    def authenticated? = @mode == "gcm"
    def auth_tag(length = 16) = @tag[0, length]
    def auth_tag=(tag)
      @tag = tag
    end

    def auth_tag_len=(length)
      raise CipherError, "a dyno has tags of 16 bytes" unless length == 16
    end

    def reset
      @data = "".b
      @auth_data = ""
      self
    end

    def update(data, buffer = nil)
      @data << data.b
      buffer ? buffer.replace("") : "".b
    end
    alias << update

    def final
      raise CipherError, "no key set" unless @key && @iv && @way

      result = authenticated? ? final_with_tag : Bridge.encrypt("c", "#{mode_letter}#{@way}", @key, @iv, @data)
      @data = "".b
      result
    rescue Errno::EINVAL
      raise CipherError, "bad decrypt"
    end

    private

    Bridge = Dyno::Bridge
    private_constant :Bridge

    def mode_letter
      return "t" if @mode == "ctr"

      @is_padded ? "c" : "n"
    end

    def final_with_tag
      return Bridge.encrypt("g", "d", @key, @iv, @auth_data, @data + @tag.to_s) if @way == "d"

      result = Bridge.encrypt("g", "e", @key, @iv, @auth_data, @data)
      @tag = result[-16..]
      result[0...-16]
    end
  end

  # Named by libraries when they are loaded; there are no connections to use them with.
  module SSL
    class SSLError < OpenSSLError; end
    class SSLErrorWaitReadable < SSLError; end
    class SSLErrorWaitWritable < SSLError; end
    VERIFY_NONE = 0
    VERIFY_PEER = 1
    OP_ALL = 0
    OP_NO_SSLv2 = 0
    OP_NO_SSLv3 = 0
    OP_NO_COMPRESSION = 0
    TLS1_2_VERSION = 0x303
    TLS1_3_VERSION = 0x304

    class SSLContext
      def initialize(*) = raise(SSLError, Dyno::NO_SOCKETS)
    end

    class SSLSocket
      def initialize(*) = raise(SSLError, Dyno::NO_SOCKETS)
    end
  end

  module PKey
    class PKeyError < OpenSSLError; end
    class PKey; end
    class RSA < PKey; end
    class EC < PKey; end
  end

  module X509
    class Certificate; end
    class Store; end
    V_OK = 0
  end
end

%w[openssl openssl.so].each { |name| Dyno.provide(name.delete_suffix(".so")) }
