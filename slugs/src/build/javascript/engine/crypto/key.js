// `CryptoKey`, and the encodings of keys and numbers (Web Cryptography API; RFC 5208, 5280, 5915, 7518, 8410).

export const material = Symbol('material');

export class CryptoKey {
  constructor(type, algorithm, extractable, usages, held) {
    Object.assign(this, { type, algorithm, extractable, usages: [...usages] });
    Object.defineProperty(this, material, { value: held });
    Object.freeze(this.usages);
  }

  get [Symbol.toStringTag]() {
    return 'CryptoKey';
  }
}

export function fail(name, text) {
  throw new DOMException(text, name);
}

/** Copies the bytes of a `BufferSource`, so that the app cannot change them during the operation. */
export function bytesOf(source) {
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength).slice();
  if (source instanceof ArrayBuffer) return new Uint8Array(source.slice(0));
  throw new TypeError('an ArrayBuffer or a view of one is needed');
}

export function toBuffer(bytes) {
  const { buffer, byteOffset, byteLength } = bytes;
  return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
}

export function toBase64url(bytes) {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

export function fromBase64url(text) {
  if (typeof text !== 'string' || !/^[\w-]*$/.test(text)) fail('DataError', 'the key has a value that is no base64url');
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

export function toNumber(bytes) {
  let hex = '0x0';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  return BigInt(hex);
}

export function fromNumber(number, length) {
  let hex = number.toString(16);
  if (hex.length % 2) hex = `0${hex}`;
  const bytes = Uint8Array.from(hex.match(/../g), (pair) => Number.parseInt(pair, 16));
  if (length === undefined || bytes.length >= length) return bytes;
  const padded = new Uint8Array(length);
  padded.set(bytes, length - bytes.length);
  return padded;
}

/** Parses DER: an element as `{ tag, bytes }`, or the elements inside of one. */
export function readDer(bytes) {
  const elements = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at++];
    let length = bytes[at++];
    if (length > 127) {
      const count = length & 127;
      length = Number(toNumber(bytes.subarray(at, at + count)));
      at += count;
    }
    if (!(at + length <= bytes.length)) fail('DataError', 'the key is cut off');
    elements.push({ tag, bytes: bytes.subarray(at, at + length) });
    at += length;
  }
  return elements;
}

export function writeDer(tag, ...parts) {
  const inner = parts.flatMap((part) => [...part]);
  const size = inner.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
  return Uint8Array.from([tag, ...length, ...inner]);
}

export const SEQUENCE = 0x30;
export const INTEGER = 0x02;
export const BITS = 0x03;
export const OCTETS = 0x04;
export const NULL = Uint8Array.of(5, 0);

/** Encodes a number in DER: with a leading zero byte if its first bit is set. */
export function writeInteger(number) {
  const bytes = fromNumber(number);
  return writeDer(INTEGER, bytes[0] > 127 ? [0, ...bytes] : bytes);
}

function identifier(...bytes) {
  return writeDer(0x06, bytes);
}

export const RSA = identifier(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01);
export const EC = identifier(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01);
export const CURVES = {
  'P-256': identifier(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07),
  'P-384': identifier(0x2b, 0x81, 0x04, 0x00, 0x22),
  'P-521': identifier(0x2b, 0x81, 0x04, 0x00, 0x23),
};
export const OKP = { X25519: identifier(0x2b, 0x65, 0x6e), Ed25519: identifier(0x2b, 0x65, 0x70) };

function sameBytes(one, other) {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

/** Returns the key in a SubjectPublicKeyInfo, if it has the expected algorithm. */
export function readSpki(bytes, ...algorithm) {
  const [outer] = readDer(bytes);
  const [head, bits] = readDer(outer?.bytes ?? bytes);
  checkAlgorithm(head, algorithm);
  if (bits?.tag !== BITS) fail('DataError', 'the key is no SubjectPublicKeyInfo');
  return bits.bytes.subarray(1);
}

/** Returns the key in a PrivateKeyInfo (PKCS #8). */
export function readPkcs8(bytes, ...algorithm) {
  const [outer] = readDer(bytes);
  const [, head, octets] = readDer(outer?.bytes ?? bytes);
  checkAlgorithm(head, algorithm);
  if (octets?.tag !== OCTETS) fail('DataError', 'the key is no PKCS #8');
  return octets.bytes;
}

function checkAlgorithm(head, algorithm) {
  if (head?.tag !== SEQUENCE) fail('DataError', 'the key has no algorithm');
  const begin = head.bytes.subarray(0, algorithm.reduce((sum, part) => sum + part.length, 0));
  if (!sameBytes(begin, algorithm.flatMap((part) => [...part]))) fail('DataError', 'the key is one of another algorithm');
}

export function writeSpki(key, ...algorithm) {
  return writeDer(SEQUENCE, writeDer(SEQUENCE, ...algorithm), writeDer(BITS, [0], key));
}

export function writePkcs8(key, ...algorithm) {
  return writeDer(SEQUENCE, writeInteger(0n), writeDer(SEQUENCE, ...algorithm), writeDer(OCTETS, key));
}
