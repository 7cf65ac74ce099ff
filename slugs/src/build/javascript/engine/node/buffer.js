// `node:buffer`: the package of this name. Text in UTF-8 goes through the engine's own coders, which are compiled code,
// where the package runs a loop in the interpreter.

import bufferPackage from 'buffer';

const { Buffer } = bufferPackage;
const encoder = new TextEncoder();
/** A decoder that keeps a byte order mark, as Node.js does. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

const isUtf8 = (encoding) => encoding === undefined || encoding === null || /^utf-?8$/i.test(encoding);

function encodeText(text) {
  return Object.setPrototypeOf(encoder.encode(text), Buffer.prototype);
}

const isBase64url = (encoding) => typeof encoding === 'string' && /^base64url$/i.test(encoding);

const packageFrom = Buffer.from;
Buffer.from = function from(value, encoding, length) {
  // The package reads both alphabets of base64 (RFC 4648 4, 5), but only by the name `base64`.
  if (isBase64url(encoding)) return packageFrom.call(Buffer, value, 'base64', length);
  return typeof value === 'string' && isUtf8(encoding) ? encodeText(value) : packageFrom.call(Buffer, value, encoding, length);
};

const packageByteLength = Buffer.byteLength;
Buffer.byteLength = function byteLength(value, encoding) {
  if (typeof value === 'string' && isUtf8(encoding)) return encoder.encode(value).length;
  return packageByteLength(value, isBase64url(encoding) ? 'base64' : encoding);
};

const packageIsEncoding = Buffer.isEncoding;
Buffer.isEncoding = (encoding) => isBase64url(encoding) || packageIsEncoding(encoding);

const packageWrite = Buffer.prototype.write;
Buffer.prototype.write = function write(text, ...rest) {
  return packageWrite.call(this, text, ...rest.map((value) => (isBase64url(value) ? 'base64' : value)));
};

const packageToString = Buffer.prototype.toString;
Buffer.prototype.toString = function toString(encoding, start = 0, end = this.length) {
  if (isBase64url(encoding)) {
    return packageToString.call(this, 'base64', start, end).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  }
  if (!isUtf8(encoding)) return packageToString.apply(this, arguments);
  const [from, to] = [Math.max(0, start | 0), Math.min(this.length, end === undefined ? this.length : end | 0)];
  return to <= from ? '' : decoder.decode(from === 0 && to === this.length ? this : this.subarray(from, to));
};
Buffer.prototype.toLocaleString = Buffer.prototype.toString;

Buffer.prototype.utf8Slice = function utf8Slice(start, end) {
  return this.toString('utf8', start, end);
};
Buffer.prototype.utf8Write = function utf8Write(text, offset = 0, length = this.length - offset) {
  return encoder.encodeInto(text, this.subarray(offset, offset + length)).written;
};
for (const [name, encoding] of Object.entries({ latin1: 'latin1', hex: 'hex', base64: 'base64', ascii: 'ascii', ucs2: 'utf16le' })) {
  Buffer.prototype[`${name}Slice`] ??= function slice(start, end) {
    return this.toString(encoding, start, end);
  };
  Buffer.prototype[`${name}Write`] ??= function write(text, offset, length) {
    return this.write(text, offset, length, encoding);
  };
}

const isAsciiByte = (byte) => byte < 0x80;

export default {
  ...bufferPackage,
  Buffer,
  Blob: globalThis.Blob,
  File: globalThis.File,
  atob: globalThis.atob,
  btoa: globalThis.btoa,
  constants: { MAX_LENGTH: bufferPackage.kMaxLength, MAX_STRING_LENGTH: 2 ** 30 - 2 },
  isAscii: (input) => new Uint8Array(input.buffer ?? input).every(isAsciiByte),
  isUtf8(input) {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(input);
      return true;
    } catch {
      return false;
    }
  },
  transcode: (source, from, to) => Buffer.from(Buffer.from(source).toString(from), to),
};

export { Buffer };
