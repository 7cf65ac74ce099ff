# Prints what parts of openssl compute. The same must come from OpenSSL itself.

require "openssl"
require "digest"
require "securerandom"

key = (0...32).map(&:chr).join.b
text = "attack at dawn, or later \u{fc}" * 50
%w[MD5 SHA1 SHA256 SHA384 SHA512].each do |name|
  puts OpenSSL::Digest.hexdigest(name, text), OpenSSL::Digest.new(name).update(text).hexdigest
  puts OpenSSL::HMAC.hexdigest(name, key, text), OpenSSL::HMAC.hexdigest(name, key * 9, text)
end
%w[SHA1 SHA256 SHA512].each do |hash|
  puts OpenSSL::KDF.pbkdf2_hmac("password", salt: "salt", iterations: 1000, length: 40, hash:).unpack1("H*")
end
puts OpenSSL::PKCS5.pbkdf2_hmac("p", "s", 10, 20, OpenSSL::Digest.new("SHA256")).unpack1("H*")
puts OpenSSL::PKCS5.pbkdf2_hmac_sha1("p", "s", 10, 20).unpack1("H*")
puts OpenSSL::KDF.hkdf("secret", salt: "salt", info: "info", length: 50, hash: "SHA256").unpack1("H*")
%w[128 192 256].product(%w[cbc ctr gcm]).each do |bits, mode|
  cipher = OpenSSL::Cipher.new("aes-#{bits}-#{mode}").encrypt
  cipher.key = key[0, bits.to_i / 8]
  cipher.iv = key[0, cipher.iv_len]
  cipher.auth_data = "head" if mode == "gcm"
  sealed = cipher.update(text) + cipher.final
  tag = cipher.auth_tag if mode == "gcm"
  puts cipher.name, cipher.key_len, cipher.iv_len, cipher.block_size
  puts Digest::SHA256.hexdigest(sealed), tag.to_s.unpack1("H*")
  plain = OpenSSL::Cipher.new("AES-#{bits}-#{mode.upcase}").decrypt
  plain.key = key[0, bits.to_i / 8]
  plain.iv = key[0, cipher.iv_len]
  if mode == "gcm"
    plain.auth_data = "head"
    plain.auth_tag = tag
  end
  puts (plain.update(sealed) + plain.final).force_encoding("UTF-8") == text
  next if mode == "ctr"
  bad = OpenSSL::Cipher.new("aes-#{bits}-#{mode}").decrypt
  bad.key = key[0, bits.to_i / 8].reverse
  bad.iv = key[0, cipher.iv_len]
  bad.auth_tag = tag if mode == "gcm"
  begin
    bad.update(sealed)
    bad.final
    puts "not noticed"
  rescue OpenSSL::Cipher::CipherError
    puts "noticed"
  end
end
[
  -> { OpenSSL::Cipher.new("aes-128-cbc").tap(&:encrypt).key = "short" },
  -> { OpenSSL::Cipher.new("nope") },
  -> { OpenSSL::Digest.new("nope") }
].each do |act|
  act.call
rescue StandardError => error
  puts error.class
end
puts OpenSSL.secure_compare("a", "a"), OpenSSL.secure_compare("a", "b"), OpenSSL.fixed_length_secure_compare("ab", "ab")
puts OpenSSL::Random.random_bytes(7).bytesize
