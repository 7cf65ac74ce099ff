// `node:zlib`: the package browserify-zlib, which has all but Brotli and Zstandard.

import packageZlib from 'browserify-zlib';
import * as constants from 'unenv/node/internal/zlib/constants';
import { makeAbsentModule } from './absent.js';
import util from './util.js';

const ABSENT = [
  'BrotliCompress', 'BrotliDecompress', 'brotliCompress', 'brotliCompressSync', 'brotliDecompress', 'brotliDecompressSync',
  'createBrotliCompress', 'createBrotliDecompress', 'createZstdCompress', 'createZstdDecompress',
];
const NAMES = ['deflate', 'deflateRaw', 'gzip', 'gunzip', 'inflate', 'inflateRaw', 'unzip'];

/** The check sum of gzip (RFC 1952 8), of text or bytes. */
function crc32(data, value = 0) {
  let sum = ~value;
  for (const byte of typeof data === 'string' ? new TextEncoder().encode(data) : data) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return ~sum >>> 0;
}

export default makeAbsentModule('zlib', ABSENT, {
  ...packageZlib,
  constants: { ...constants },
  crc32,
  promises: Object.fromEntries(NAMES.map((name) => [name, util.promisify(packageZlib[name])])),
});
