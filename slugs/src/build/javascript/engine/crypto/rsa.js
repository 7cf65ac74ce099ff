// RSA: signatures (PKCS #1 v1.5, PSS) and encryption (OAEP), by micro-rsa-dsa-dh (RFC 8017).

import { OAEP, PKCS1_SHA1, PKCS1_SHA256, PKCS1_SHA384, PKCS1_SHA512, PSS, mgf1 } from 'micro-rsa-dsa-dh/rsa.js';
import { HASH_BITS, hashOf } from './hash.js';
import {
  CryptoKey,
  NULL,
  RSA,
  SEQUENCE,
  bytesOf,
  fail,
  fromBase64url,
  fromNumber,
  material,
  readDer,
  readPkcs8,
  readSpki,
  toBase64url,
  toNumber,
  writeDer,
  writeInteger,
  writePkcs8,
  writeSpki,
} from './key.js';

/** The numbers of a private key, in the order of RFC 8017 A.1.2, by their names in a JWK. */
const PRIVATE = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'];

function readKey(format, data) {
  switch (format) {
    case 'spki': {
      const [inner] = readDer(readSpki(bytesOf(data), RSA));
      const [n, e] = readDer(inner.bytes).map(({ bytes }) => toNumber(bytes));
      return { n, e };
    }
    case 'pkcs8': {
      const [inner] = readDer(readPkcs8(bytesOf(data), RSA));
      const [, ...numbers] = readDer(inner.bytes).map(({ bytes }) => toNumber(bytes));
      return Object.fromEntries(PRIVATE.map((name, at) => [name, numbers[at]]));
    }
    case 'jwk': {
      if (data?.kty !== 'RSA') fail('DataError', 'the JWK is no RSA key');
      const names = data.d === undefined ? ['n', 'e'] : PRIVATE.filter((name) => data[name] !== undefined);
      return Object.fromEntries(names.map((name) => [name, toNumber(fromBase64url(data[name]))]));
    }
    default:
      return fail('NotSupportedError', `an RSA key has no format "${format}": spki, pkcs8 or jwk`);
  }
}

function writeKey(format, key, alg) {
  const numbers = key[material];
  const kind = { spki: 'public', pkcs8: 'private', jwk: key.type }[format];
  if (kind !== key.type) fail('InvalidAccessError', `a ${key.type} key has no format "${format}"`);
  if (format === 'spki') {
    const inner = writeDer(SEQUENCE, writeInteger(numbers.n), writeInteger(numbers.e));
    return writeSpki(inner, RSA, NULL);
  }
  if (format === 'pkcs8') {
    if (numbers.qi === undefined) fail('OperationError', 'the key has no primes, which pkcs8 needs');
    const inner = writeDer(SEQUENCE, writeInteger(0n), ...PRIVATE.map((name) => writeInteger(numbers[name])));
    return writePkcs8(inner, RSA, NULL);
  }
  const jwk = { kty: 'RSA', alg, key_ops: [...key.usages], ext: key.extractable };
  for (const [name, number] of Object.entries(numbers)) {
    if (number !== undefined) jwk[name] = toBase64url(fromNumber(number));
  }
  return jwk;
}

function rsa(name, usages, algOf, work) {
  return {
    usages,
    generate: () =>
      fail('NotSupportedError', 'RSA keys cannot be made here, since it takes minutes in this engine: import one'),
    import(format, data, { hash }, extractable, wanted) {
      const numbers = readKey(format, data);
      const algorithm = {
        name,
        modulusLength: numbers.n.toString(2).length,
        publicExponent: fromNumber(numbers.e ?? 65537n),
        hash: { name: hashOf(hash) },
      };
      return new CryptoKey(numbers.d === undefined ? 'public' : 'private', algorithm, extractable, wanted, numbers);
    },
    export: (format, key) => writeKey(format, key, algOf(HASH_BITS[key.algorithm.hash.name])),
    ...work,
  };
}

const PKCS1 = { 'SHA-1': PKCS1_SHA1, 'SHA-256': PKCS1_SHA256, 'SHA-384': PKCS1_SHA384, 'SHA-512': PKCS1_SHA512 };

function verifying(run) {
  try {
    return run();
  } catch {
    return false;
  }
}

export const RSASSA = rsa('RSASSA-PKCS1-v1_5', ['sign', 'verify'], (bits) => `RS${bits}`, {
  sign: (_, key, data) => PKCS1[key.algorithm.hash.name].sign(key[material], data),
  verify: (_, key, signature, data) =>
    verifying(() => PKCS1[key.algorithm.hash.name].verify(key[material], data, signature)),
});

function pssOf({ saltLength }, key) {
  const hash = hashOf.function(key.algorithm.hash);
  return PSS(hash, mgf1(hash), saltLength);
}

export const RSA_PSS = rsa('RSA-PSS', ['sign', 'verify'], (bits) => `PS${bits}`, {
  sign: (algorithm, key, data) => pssOf(algorithm, key).sign(key[material], data),
  verify: (algorithm, key, signature, data) =>
    verifying(() => pssOf(algorithm, key).verify(key[material], data, signature)),
});

function oaepOf({ label }, key) {
  const hash = hashOf.function(key.algorithm.hash);
  return OAEP(hash, mgf1(hash), label === undefined ? undefined : bytesOf(label));
}

const OAEP_USES = ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'];

export const RSA_OAEP = rsa('RSA-OAEP', OAEP_USES, (bits) => (bits === 1 ? 'RSA-OAEP' : `RSA-OAEP-${bits}`), {
  encrypt: (algorithm, key, data) => oaepOf(algorithm, key).encrypt(key[material], data),
  decrypt(algorithm, key, data) {
    try {
      return oaepOf(algorithm, key).decrypt(key[material], data);
    } catch {
      return fail('OperationError', 'the data cannot be decrypted with this key');
    }
  },
});
