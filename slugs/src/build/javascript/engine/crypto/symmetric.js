// Symmetric keys: HMAC, AES, PBKDF2, HKDF. HMAC is done by the engine, AES and the derivations by @noble.

import { aeskw, cbc, ctr, gcm } from '@noble/ciphers/aes.js';
import { hkdf as deriveHkdf } from '@noble/hashes/hkdf.js';
import { pbkdf2 as derivePbkdf2 } from '@noble/hashes/pbkdf2.js';
import { hashOf, HASH_BITS } from './hash.js';
import { CryptoKey, bytesOf, fail, fromBase64url, material, toBase64url } from './key.js';

const native = globalThis.crypto.subtle;
const nativeImport = native.importKey.bind(native);
const nativeSign = native.sign.bind(native);

function random(length) {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** Returns the bytes of a raw key, or of a JWK of the type `oct`. */
function readSecret(format, data) {
  if (format === 'raw' || format === 'raw-secret') return bytesOf(data);
  if (format !== 'jwk') fail('NotSupportedError', `a secret key has no format "${format}": raw or jwk`);
  if (data?.kty !== 'oct') fail('DataError', 'the JWK is no secret key: its kty is not "oct"');
  return fromBase64url(data.k);
}

function writeSecret(format, key, alg) {
  if (format === 'raw' || format === 'raw-secret') return key[material].slice();
  if (format !== 'jwk') fail('NotSupportedError', `a secret key has no format "${format}": raw or jwk`);
  return { kty: 'oct', k: toBase64url(key[material]), alg, key_ops: [...key.usages], ext: key.extractable };
}

const HMAC_BLOCK_BITS = { 'SHA-1': 512, 'SHA-256': 512, 'SHA-384': 1024, 'SHA-512': 1024 };
/** The engine's keys that belong to keys of this file. */
const nativeKeys = new WeakMap();

async function signHmac(key, data) {
  const { hash } = key.algorithm;
  if (!nativeKeys.has(key)) {
    const algorithm = { name: 'HMAC', hash: hash.name };
    // The engine refuses an empty secret; HMAC pads a short secret with zeros (RFC 2104 2).
    const secret = key[material].length > 0 ? key[material] : new Uint8Array(1);
    nativeKeys.set(key, await nativeImport('raw', secret, algorithm, false, ['sign']));
  }
  return new Uint8Array(await nativeSign('HMAC', nativeKeys.get(key), data));
}

/** Compares in constant time: the time does not depend on where the two differ. */
export function isEqual(one, other) {
  let difference = one.length ^ other.length;
  for (let at = 0; at < one.length; at += 1) difference |= one[at] ^ other[at];
  return difference === 0;
}

export const HMAC = {
  usages: ['sign', 'verify'],
  generate(algorithm, extractable, usages) {
    const hash = hashOf(algorithm.hash);
    const length = algorithm.length ?? HMAC_BLOCK_BITS[hash];
    return this.import('raw', random(Math.ceil(length / 8)), algorithm, extractable, usages);
  },
  import(format, data, { hash }, extractable, usages) {
    const secret = readSecret(format, data);
    const algorithm = { name: 'HMAC', hash: { name: hashOf(hash) }, length: secret.length * 8 };
    return new CryptoKey('secret', algorithm, extractable, usages, secret);
  },
  export: (format, key) => writeSecret(format, key, `HS${HASH_BITS[key.algorithm.hash.name]}`),
  sign: (_, key, data) => signHmac(key, data),
  verify: async (_, key, signature, data) => isEqual(signature, await signHmac(key, data)),
  length: ({ hash, length }) => length ?? HMAC_BLOCK_BITS[hashOf(hash)],
};

function aes(name, mode, usages, work) {
  const check = (bits) => {
    if (![128, 192, 256].includes(bits)) fail('OperationError', `an AES key has 128, 192 or 256 bits, not ${bits}`);
  };
  return {
    usages,
    generate(algorithm, extractable, wanted) {
      check(algorithm.length);
      return this.import('raw', random(algorithm.length / 8), algorithm, extractable, wanted);
    },
    import(format, data, _, extractable, wanted) {
      const secret = readSecret(format, data);
      if (![16, 24, 32].includes(secret.length)) fail('DataError', 'an AES key has 128, 192 or 256 bits');
      return new CryptoKey('secret', { name, length: secret.length * 8 }, extractable, wanted, secret);
    },
    export: (format, key) => writeSecret(format, key, `A${key.algorithm.length}${mode}`),
    length: ({ length }) => (check(length), length),
    ...work,
  };
}

/** The one error of all failed decryptions, so that an attacker learns nothing from it. */
function decrypting(run) {
  try {
    return run();
  } catch {
    return fail('OperationError', 'the data cannot be decrypted with this key');
  }
}

const ENCRYPT = ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'];

function gcmOf(algorithm, key) {
  if ((algorithm.tagLength ?? 128) !== 128) fail('NotSupportedError', 'AES-GCM has tags of 128 bits here');
  const further = algorithm.additionalData === undefined ? undefined : bytesOf(algorithm.additionalData);
  return gcm(key[material], bytesOf(algorithm.iv), further);
}

function ivOf(bytes, what) {
  const iv = bytesOf(bytes);
  if (iv.length !== 16) fail('OperationError', `${what} has 16 bytes`);
  return iv;
}

export const AES_GCM = aes('AES-GCM', 'GCM', ENCRYPT, {
  encrypt: (algorithm, key, data) => gcmOf(algorithm, key).encrypt(data),
  decrypt: (algorithm, key, data) => decrypting(() => gcmOf(algorithm, key).decrypt(data)),
});

export const AES_CBC = aes('AES-CBC', 'CBC', ENCRYPT, {
  encrypt: ({ iv }, key, data) => cbc(key[material], ivOf(iv, 'the iv')).encrypt(data),
  decrypt: ({ iv }, key, data) => decrypting(() => cbc(key[material], ivOf(iv, 'the iv')).decrypt(data)),
});

function runCtr({ counter, length = 128 }, key, data) {
  const iv = ivOf(counter, 'the counter');
  // Only the last `length` bits count; where they would run over, another way round than AES-CTR's is needed.
  const blocks = BigInt(Math.ceil(data.length / 16));
  const value = iv.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) & ((1n << BigInt(length)) - 1n);
  if (value + blocks > 1n << BigInt(length)) fail('OperationError', 'the counter of AES-CTR runs over');
  return ctr(key[material], iv).encrypt(data);
}

export const AES_CTR = aes('AES-CTR', 'CTR', ENCRYPT, { encrypt: runCtr, decrypt: runCtr });

export const AES_KW = aes('AES-KW', 'KW', ['wrapKey', 'unwrapKey'], {
  encrypt: (_, key, data) => aeskw(key[material]).encrypt(data),
  decrypt: (_, key, data) => decrypting(() => aeskw(key[material]).decrypt(data)),
});

function derivation(name, derive) {
  return {
    usages: ['deriveKey', 'deriveBits'],
    import(format, data, _, extractable, usages) {
      if (format !== 'raw' && format !== 'raw-secret') fail('NotSupportedError', `${name} takes raw keys`);
      if (extractable) fail('SyntaxError', `a key for ${name} cannot be extractable`);
      return new CryptoKey('secret', { name }, false, usages, bytesOf(data));
    },
    derive(algorithm, key, bits) {
      if (!bits || bits % 8) fail('OperationError', `${name} derives whole bytes`);
      return derive(algorithm, key[material], bits / 8);
    },
    length: () => null,
  };
}

export const PBKDF2 = derivation('PBKDF2', ({ hash, salt, iterations }, secret, length) => {
  if (!(iterations > 0)) fail('OperationError', 'PBKDF2 needs iterations');
  return derivePbkdf2(hashOf.function(hash), secret, bytesOf(salt), { c: iterations, dkLen: length });
});

export const HKDF = derivation('HKDF', ({ hash, salt, info }, secret, length) =>
  deriveHkdf(hashOf.function(hash), secret, bytesOf(salt), bytesOf(info), length),
);
