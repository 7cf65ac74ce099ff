// `crypto.subtle`: the operations of the Web Cryptography API, with the algorithms in the other files of this folder. Only
// digests and HMAC come from the engine: its other operations are not reliable.

import { restoreRandom } from './begin.js';
import { ECDH, ECDSA, ED25519, X25519 } from './curves.js';
import { CryptoKey, bytesOf, fail, toBuffer } from './key.js';
import { RSASSA, RSA_OAEP, RSA_PSS } from './rsa.js';
import { AES_CBC, AES_CTR, AES_GCM, AES_KW, HKDF, HMAC, PBKDF2 } from './symmetric.js';

restoreRandom();
const native = globalThis.crypto.subtle;
const nativeDigest = native.digest.bind(native);
const DIGESTS = ['MD5', 'SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'];

const ALGORITHMS = {
  'AES-CBC': AES_CBC,
  'AES-CTR': AES_CTR,
  'AES-GCM': AES_GCM,
  'AES-KW': AES_KW,
  ECDH,
  ECDSA,
  ED25519,
  HKDF,
  HMAC,
  PBKDF2,
  'RSA-OAEP': RSA_OAEP,
  'RSA-PSS': RSA_PSS,
  'RSASSA-PKCS1-V1_5': RSASSA,
  X25519,
};

/** Returns the parameters of an algorithm as an object, and its implementation. */
function find(algorithm) {
  const parameters = typeof algorithm === 'string' ? { name: algorithm } : algorithm;
  const name = String(parameters?.name).toUpperCase();
  const work = ALGORITHMS[name] ?? fail('NotSupportedError', `there is no algorithm "${parameters?.name}"`);
  return [parameters, work];
}

function checkUsages(work, usages, name) {
  for (const usage of usages) {
    if (!work.usages.includes(usage)) fail('SyntaxError', `a key of ${name} is of no use to "${usage}"`);
  }
}

/** Checks that a key allows an operation with this algorithm. */
function checkKey(key, parameters, usage) {
  if (!(key instanceof CryptoKey)) throw new TypeError('the key is no CryptoKey');
  if (key.algorithm.name.toUpperCase() !== String(parameters.name).toUpperCase()) {
    fail('InvalidAccessError', `the key is one of ${key.algorithm.name}, not of ${parameters.name}`);
  }
  if (!key.usages.includes(usage)) fail('InvalidAccessError', `the key is not for "${usage}"`);
}

class SubtleCrypto {
  async digest(algorithm, data) {
    const name = String(typeof algorithm === 'object' ? algorithm?.name : algorithm).toUpperCase();
    if (!DIGESTS.includes(name)) fail('NotSupportedError', `there is no digest "${name}"`);
    return nativeDigest(name, bytesOf(data));
  }

  async generateKey(algorithm, extractable, usages) {
    const [parameters, work] = find(algorithm);
    if (!work.generate) fail('NotSupportedError', `keys of ${parameters.name} are imported, not made`);
    checkUsages(work, usages, parameters.name);
    return work.generate(parameters, extractable, usages);
  }

  async importKey(format, data, algorithm, extractable, usages) {
    const [parameters, work] = find(algorithm);
    checkUsages(work, usages, parameters.name);
    return work.import(format, data, parameters, extractable, usages);
  }

  async exportKey(format, key) {
    if (!key.extractable) fail('InvalidAccessError', 'the key is not extractable');
    const [, work] = find(key.algorithm);
    if (!work.export) fail('NotSupportedError', `keys of ${key.algorithm.name} cannot be exported`);
    const made = work.export(format, key);
    return made instanceof Uint8Array ? toBuffer(made) : made;
  }

  async sign(algorithm, key, data) {
    const [parameters, work] = find(algorithm);
    checkKey(key, parameters, 'sign');
    return toBuffer(await work.sign(parameters, key, bytesOf(data)));
  }

  async verify(algorithm, key, signature, data) {
    const [parameters, work] = find(algorithm);
    checkKey(key, parameters, 'verify');
    return work.verify(parameters, key, bytesOf(signature), bytesOf(data));
  }

  async encrypt(algorithm, key, data) {
    const [parameters, work] = find(algorithm);
    checkKey(key, parameters, 'encrypt');
    return toBuffer(work.encrypt(parameters, key, bytesOf(data)));
  }

  async decrypt(algorithm, key, data) {
    const [parameters, work] = find(algorithm);
    checkKey(key, parameters, 'decrypt');
    return toBuffer(work.decrypt(parameters, key, bytesOf(data)));
  }

  async deriveBits(algorithm, key, length = null) {
    const [parameters, work] = find(algorithm);
    checkKey(key, parameters, 'deriveBits');
    return toBuffer(work.derive(parameters, key, length));
  }

  async deriveKey(algorithm, key, derived, extractable, usages) {
    const [parameters, work] = find(algorithm);
    checkKey(key, parameters, 'deriveKey');
    const [wanted, target] = find(derived);
    const bits = work.derive(parameters, key, target.length(wanted));
    return this.importKey('raw', bits, wanted, extractable, usages);
  }

  async wrapKey(format, key, wrapping, algorithm) {
    const [parameters, work] = find(algorithm);
    checkKey(wrapping, parameters, 'wrapKey');
    const exported = await this.exportKey(format, key);
    const bytes = format === 'jwk' ? new TextEncoder().encode(JSON.stringify(exported)) : new Uint8Array(exported);
    return toBuffer(work.encrypt(parameters, wrapping, bytes));
  }

  async unwrapKey(format, data, unwrapping, algorithm, imported, extractable, usages) {
    const [parameters, work] = find(algorithm);
    checkKey(unwrapping, parameters, 'unwrapKey');
    const bytes = work.decrypt(parameters, unwrapping, bytesOf(data));
    const key = format === 'jwk' ? JSON.parse(new TextDecoder().decode(bytes)) : bytes;
    return this.importKey(format, key, imported, extractable, usages);
  }
}

Object.defineProperty(globalThis.crypto, 'subtle', { configurable: true, value: new SubtleCrypto() });
Object.assign(globalThis, { CryptoKey, SubtleCrypto });
