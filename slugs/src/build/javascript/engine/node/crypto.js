// `node:crypto`: digests, HMAC, derived keys, AES, random values. The usual digests are compiled code, beside the engine; the
// other algorithms are those of @noble. Signatures and key pairs are in Web Crypto (`crypto.subtle`).

import * as native from 'dyno:javascript/native@0.1.0';
import { cbc, ctr, ecb, gcm } from '@noble/ciphers/aes.js';
import { hmac } from '@noble/hashes/hmac.js';
import { ripemd160 } from '@noble/hashes/legacy.js';
import { pbkdf2 as derivePbkdf2 } from '@noble/hashes/pbkdf2.js';
import { sha512_256 } from '@noble/hashes/sha2.js';
import { sha3_224, sha3_256, sha3_384, sha3_512 } from '@noble/hashes/sha3.js';
import { joinBytes, ownBytes } from '../body.js';
import { isEqual } from '../crypto/symmetric.js';
import { absentError } from './absent.js';
import { Buffer } from './buffer.js';
import stream from './stream.js';

/** Hash functions of compiled code, by their names there. */
const NATIVE = new Set(['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512']);
/** Hash functions that the interpreter runs. */
const OTHERS = {
  ripemd160, 'sha3-224': sha3_224, 'sha3-256': sha3_256, 'sha3-384': sha3_384, 'sha3-512': sha3_512, 'sha512-256': sha512_256,
};
/** Bytes that a digest keeps before compiled code takes them piece by piece: most data are short, and come once. */
const KEPT_BYTES_MAX = 256 * 1024;
/** Most bytes that Web Crypto gives at a time (W3C Web Cryptography API, `getRandomValues`). */
const RANDOM_BYTES_MAX = 65536;

function fail(code, message, Kind = Error) {
  throw Object.assign(new Kind(message), { code });
}

/** The name of a hash function in this file. OpenSSL has several for each. */
function hashName(name) {
  const plain = String(name).toLowerCase().replace(/^rsa-/, '').replace(/^sha-/, 'sha').replace('sha512/', 'sha512-');
  if (NATIVE.has(plain) || Object.hasOwn(OTHERS, plain)) return plain;
  return fail('ERR_OSSL_EVP_UNSUPPORTED', `Digest method not supported: ${name}`);
}

/** A digest, or with a key an HMAC, by compiled code: short data in one call, long data in pieces. */
class NativeState {
  #hash;
  #key;
  #pieces = [];
  #length = 0;
  #hasher;

  constructor(hash, key) {
    this.#hash = hash;
    this.#key = key;
  }

  update(bytes) {
    if (this.#hasher) return this.#hasher.update(bytes);
    // The app may change its buffer before the digest.
    this.#pieces.push(bytes.slice());
    this.#length += bytes.length;
    if (this.#length <= KEPT_BYTES_MAX) return undefined;
    this.#hasher = native.Hasher.create(this.#hash, this.#key);
    for (const piece of this.#pieces) this.#hasher.update(piece);
    this.#pieces = [];
    return undefined;
  }

  clone() {
    const copy = new NativeState(this.#hash, this.#key);
    copy.#pieces = [...this.#pieces];
    copy.#length = this.#length;
    copy.#hasher = this.#hasher?.copy();
    return copy;
  }

  digest() {
    if (!this.#hasher) return ownBytes(native.digest(this.#hash, this.#key, joinBytes(this.#pieces, this.#length)));
    const result = this.#hasher.finish();
    // The host limits handles, and the engine may never collect one that is not closed.
    this.#hasher[Symbol.dispose]();
    return ownBytes(result);
  }
}

function newState(name, key) {
  const hash = hashName(name);
  if (NATIVE.has(hash)) return new NativeState(hash, key);
  return key === undefined ? OTHERS[hash].create() : hmac.create(OTHERS[hash], key);
}

/** The bytes of a text, of bytes or of a secret key. */
function bytesOf(data, encoding) {
  if (typeof data === 'string') return Buffer.from(data, encoding === 'buffer' ? 'utf8' : encoding);
  if (data instanceof KeyObject) return data.export();
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return fail('ERR_INVALID_ARG_TYPE', 'The "data" argument must be of type string or an instance of Buffer, TypedArray, or DataView', TypeError);
}

function encoded(bytes, encoding) {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return encoding && encoding !== 'buffer' ? buffer.toString(encoding) : buffer;
}

/** A digest or an HMAC, which is a stream as well. */
class Digest extends stream.Transform {
  #state;
  #isFinal = false;

  constructor(state, options) {
    super(options);
    this.#state = state;
  }

  update(data, encoding) {
    if (this.#isFinal) fail('ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
    this.#state.update(bytesOf(data, encoding));
    return this;
  }

  digest(encoding) {
    if (this.#isFinal) fail('ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
    this.#isFinal = true;
    return encoded(this.#state.digest(), encoding);
  }

  copy() {
    return new this.constructor(this.#state.clone());
  }

  _transform(piece, encoding, done) {
    this.update(piece, encoding);
    done();
  }

  _flush(done) {
    this.push(this.digest());
    done();
  }
}

class Hash extends Digest {}
class Hmac extends Digest {}

class KeyObject {
  #bytes;

  constructor(type, bytes) {
    if (type !== 'secret') throw absentError('crypto', 'KeyObject');
    this.type = type;
    this.#bytes = Buffer.from(bytes);
  }

  get symmetricKeySize() {
    return this.#bytes.length;
  }

  export({ format = 'buffer' } = {}) {
    return format === 'jwk' ? { kty: 'oct', k: this.#bytes.toString('base64url') } : Buffer.from(this.#bytes);
  }

  equals(other) {
    return other instanceof KeyObject && isEqual(this.#bytes, other.export());
  }
}

/** AES by the names of OpenSSL: `aes-256-gcm`. Bytes are kept until `final`. */
const CIPHER_NAME = /^aes-?(128|192|256)-(cbc|ctr|gcm|ecb)$/;

class Cipher extends stream.Transform {
  #name;
  #key;
  #iv;
  #isEncrypting;
  #pieces = [];
  #aad;
  #tag;
  #padding = true;

  constructor(name, key, iv, isEncrypting) {
    super();
    const match = CIPHER_NAME.exec(String(name).toLowerCase());
    if (!match) fail('ERR_CRYPTO_UNKNOWN_CIPHER', `Unknown cipher: ${name}. There are aes-{128,192,256}-{cbc,ctr,gcm,ecb}`);
    this.#name = match[2];
    this.#key = bytesOf(key);
    if (this.#key.length !== match[1] / 8) fail('ERR_CRYPTO_INVALID_KEYLEN', 'Invalid key length', RangeError);
    this.#iv = iv === null || iv === undefined ? null : bytesOf(iv);
    const isWrong = this.#name === 'ecb' ? this.#iv?.length > 0 : this.#name === 'gcm' ? !this.#iv?.length : this.#iv?.length !== 16;
    if (isWrong) fail('ERR_CRYPTO_INVALID_IV', 'Invalid initialization vector', TypeError);
    this.#isEncrypting = isEncrypting;
  }

  setAutoPadding(isOn = true) {
    this.#padding = isOn;
    return this;
  }

  setAAD(bytes) {
    this.#aad = bytesOf(bytes);
    return this;
  }

  setAuthTag(tag, encoding) {
    this.#tag = bytesOf(tag, encoding);
    return this;
  }

  getAuthTag() {
    return Buffer.from(this.#tag ?? fail('ERR_CRYPTO_INVALID_STATE', 'Invalid state for operation getAuthTag'));
  }

  update(data, inputEncoding, outputEncoding) {
    this.#pieces.push(Buffer.from(bytesOf(data, inputEncoding)));
    return encoded(new Uint8Array(), outputEncoding);
  }

  final(outputEncoding) {
    const input = Buffer.concat(this.#pieces);
    this.#pieces = [];
    return encoded(this.#name === 'gcm' ? this.#finishGcm(input) : this.#finish(input), outputEncoding);
  }

  #finish(input) {
    const options = { disablePadding: !this.#padding };
    const cipher = { cbc: () => cbc(this.#key, this.#iv, options), ctr: () => ctr(this.#key, this.#iv), ecb: () => ecb(this.#key, options) }[this.#name]();
    try {
      return this.#isEncrypting ? cipher.encrypt(input) : cipher.decrypt(input);
    } catch {
      return fail('ERR_OSSL_BAD_DECRYPT', 'error:1C800064:Provider routines::bad decrypt');
    }
  }

  #finishGcm(input) {
    const cipher = gcm(this.#key, this.#iv, this.#aad);
    if (this.#isEncrypting) {
      const sealed = cipher.encrypt(input);
      this.#tag = sealed.slice(-16);
      return sealed.slice(0, -16);
    }
    if (this.#tag?.length !== 16) fail('ERR_CRYPTO_INVALID_AUTH_TAG', 'Invalid authentication tag length', TypeError);
    try {
      return cipher.decrypt(Buffer.concat([input, this.#tag]));
    } catch {
      return fail('ERR_OSSL_EVP_BAD_DECRYPT', 'Unsupported state or unable to authenticate data');
    }
  }

  _transform(piece, encoding, done) {
    this.update(piece, encoding);
    done();
  }

  _flush(done) {
    try {
      this.push(this.final());
      done();
    } catch (error) {
      done(error);
    }
  }
}

function randomBytes(size, done) {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += RANDOM_BYTES_MAX) globalThis.crypto.getRandomValues(bytes.subarray(at, at + RANDOM_BYTES_MAX));
  return answer(() => bytes, done);
}

/** Returns a value, or gives the value to a callback. */
function answer(run, done) {
  if (typeof done !== 'function') return run();
  queueMicrotask(() => {
    let value;
    try {
      value = run();
    } catch (error) {
      return done(error);
    }
    return done(null, value);
  });
  return undefined;
}

function randomFill(buffer, ...rest) {
  const done = typeof rest.at(-1) === 'function' ? rest.pop() : undefined;
  const [offset = 0, size = buffer.byteLength - offset] = rest;
  new Uint8Array(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength).set(randomBytes(size), offset);
  return answer(() => buffer, done);
}

/** A whole number from min to below max, each as likely as any other. */
function randomInt(min, max, done) {
  if (max === undefined || typeof max === 'function') [min, max, done] = [0, min, max];
  const range = max - min;
  if (!(Number.isSafeInteger(min) && Number.isSafeInteger(max) && range > 0 && range <= 2 ** 48 - 1)) {
    fail('ERR_OUT_OF_RANGE', `The value of "max" is out of range. It must be greater than the value of "min" (${min}). Received ${max}`, RangeError);
  }
  const limit = 2 ** 48 - (2 ** 48 % range);
  let value;
  do value = randomBytes(6).readUIntBE(0, 6);
  while (value >= limit);
  return answer(() => min + (value % range), done);
}

function pbkdf2Sync(password, salt, iterations, keylen, digest) {
  const hash = hashName(digest);
  if (!(Number.isInteger(iterations) && iterations > 0 && Number.isInteger(keylen) && keylen >= 0)) {
    fail('ERR_OUT_OF_RANGE', 'The value of "iterations" or "keylen" is out of range', RangeError);
  }
  if (!NATIVE.has(hash)) return encoded(derivePbkdf2(OTHERS[hash], bytesOf(password), bytesOf(salt), { c: iterations, dkLen: keylen }));
  const key = native.pbkdf2(hash, bytesOf(password), bytesOf(salt), iterations, keylen);
  return encoded(ownBytes(key ?? fail('ERR_CRYPTO_INVALID_KEYLEN', 'Invalid key length', RangeError)));
}

function scryptSync(password, salt, keylen, options = {}) {
  const [N, r, p] = [options.N ?? options.cost ?? 16384, options.r ?? options.blockSize ?? 8, options.p ?? options.parallelization ?? 1];
  const maxmem = options.maxmem ?? 32 * 2 ** 20;
  const cost = Math.log2(N);
  const isPossible = Number.isInteger(cost) && cost > 0 && r > 0 && p > 0 && 128 * N * r <= maxmem;
  const key = isPossible ? native.scrypt(bytesOf(password), bytesOf(salt), cost, r, p, keylen) : undefined;
  return encoded(ownBytes(key ?? fail('ERR_CRYPTO_INVALID_SCRYPT_PARAMS', 'Invalid scrypt params: memory limit exceeded', RangeError)));
}

/** RFC 5869. */
function hkdfSync(digest, key, salt, info, keylen) {
  const hash = hashName(digest);
  const mac = (secret, ...parts) => {
    const state = newState(hash, secret);
    for (const part of parts) state.update(part);
    return state.digest();
  };
  const secret = mac(bytesOf(salt), bytesOf(key));
  const pieces = [];
  let block = new Uint8Array();
  if (keylen > 255 * secret.length) fail('ERR_CRYPTO_INVALID_KEYLEN', 'Invalid key length', RangeError);
  for (let length = 0; length < keylen; length += block.length) {
    block = mac(secret, block, bytesOf(info), Uint8Array.of(pieces.length + 1));
    pieces.push(block);
  }
  return new Uint8Array(Buffer.concat(pieces).subarray(0, keylen)).buffer;
}

function timingSafeEqual(one, other) {
  const [left, right] = [bytesOf(one), bytesOf(other)];
  if (left.length !== right.length) fail('ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH', 'Input buffers must have the same byte length', RangeError);
  return isEqual(left, right);
}

const ABSENT = [
  'Certificate', 'DiffieHellman', 'ECDH', 'Sign', 'Verify', 'X509Certificate', 'createDiffieHellman', 'createECDH', 'createPrivateKey',
  'createPublicKey', 'createSign', 'createVerify', 'diffieHellman', 'generateKeyPair', 'generateKeyPairSync', 'privateDecrypt',
  'privateEncrypt', 'publicDecrypt', 'publicEncrypt', 'sign', 'verify',
];
const absent = ABSENT.map((name) => [
  name,
  function () {
    throw Object.assign(absentError('crypto', name), { message: `crypto.${name} of Node.js is absent in a dyno: use Web Crypto (\`crypto.subtle\`), or a package such as jose` });
  },
]);

export default {
  ...Object.fromEntries(absent),
  Cipheriv: Cipher,
  Decipheriv: Cipher,
  Hash,
  Hmac,
  KeyObject,
  constants: {},
  createCipheriv: (name, key, iv) => new Cipher(name, key, iv, true),
  createDecipheriv: (name, key, iv) => new Cipher(name, key, iv, false),
  createHash: (name, options) => new Hash(newState(name), options),
  createHmac: (name, key, options) => new Hmac(newState(name, bytesOf(key)), options),
  createSecretKey: (key, encoding) => new KeyObject('secret', bytesOf(key, encoding)),
  getCiphers: () => [128, 192, 256].flatMap((bits) => ['cbc', 'ctr', 'ecb', 'gcm'].map((mode) => `aes-${bits}-${mode}`)),
  getCurves: () => [],
  getHashes: () => [...NATIVE, ...Object.keys(OTHERS)],
  getRandomValues: (array) => globalThis.crypto.getRandomValues(array),
  hash: (name, data, encoding = 'hex') => new Hash(newState(name)).update(data).digest(encoding),
  hkdf: (digest, key, salt, info, keylen, done) => answer(() => hkdfSync(digest, key, salt, info, keylen), done),
  hkdfSync,
  pbkdf2: (password, salt, iterations, keylen, digest, done) => answer(() => pbkdf2Sync(password, salt, iterations, keylen, digest), done),
  pbkdf2Sync,
  prng: randomBytes,
  pseudoRandomBytes: randomBytes,
  randomBytes,
  randomFill,
  randomFillSync: (buffer, ...rest) => randomFill(buffer, ...rest),
  randomInt,
  randomUUID: () => globalThis.crypto.randomUUID(),
  scrypt: (password, salt, keylen, options, done) =>
    answer(() => scryptSync(password, salt, keylen, typeof options === 'function' ? {} : options), done ?? options),
  scryptSync,
  get subtle() {
    return globalThis.crypto.subtle;
  },
  timingSafeEqual,
  get webcrypto() {
    return globalThis.crypto;
  },
};
