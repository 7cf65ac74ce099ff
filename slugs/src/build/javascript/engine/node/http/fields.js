// Header fields as Node.js shows and checks them.

import { Buffer } from '../buffer.js';

/** Fields of which only the first counts (https://nodejs.org/api/http.html#messageheaders). */
const SINGLE = new Set([
  'age', 'authorization', 'content-length', 'content-type', 'etag', 'expires', 'from', 'host', 'if-modified-since',
  'if-unmodified-since', 'last-modified', 'location', 'max-forwards', 'proxy-authorization', 'referer', 'retry-after', 'server',
  'user-agent',
]);
/** A token (RFC 9110 5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** A character that no value of a field may contain (RFC 9110 5.5). */
const INVALID = new RegExp('[^\\t\\x20-\\x7e\\x80-\\xff]');

const decoder = new TextDecoder();

/** A value in ISO 8859-1, as Node.js reads it. */
export function decodeValue(bytes) {
  const text = decoder.decode(bytes);
  // In ASCII, the two encodings are the same.
  return text.length === bytes.length ? text : String.fromCharCode(...bytes);
}

export function encodeValue(value) {
  return Buffer.from(value, 'latin1');
}

/** Returns the object `message.headers` of a flat list of names and values. */
export function joinFields(raw) {
  const joined = {};
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at].toLowerCase();
    const value = raw[at + 1];
    if (name === 'set-cookie') (joined[name] ??= []).push(value);
    else if (joined[name] === undefined) joined[name] = value;
    else if (!SINGLE.has(name)) joined[name] += (name === 'cookie' ? '; ' : ', ') + value;
  }
  return joined;
}

/** Returns the object `message.headersDistinct`: a list of values for each name. */
export function listFields(raw) {
  const listed = Object.create(null);
  for (let at = 0; at < raw.length; at += 2) (listed[raw[at].toLowerCase()] ??= []).push(raw[at + 1]);
  return listed;
}

export function validateHeaderName(name, label = 'Header name') {
  if (typeof name === 'string' && TOKEN.test(name)) return;
  throw Object.assign(new TypeError(`${label} must be a valid HTTP token ["${name}"]`), { code: 'ERR_INVALID_HTTP_TOKEN' });
}

export function validateHeaderValue(name, value) {
  if (value === undefined) {
    throw Object.assign(new TypeError(`Invalid value "undefined" for header "${name}"`), { code: 'ERR_HTTP_INVALID_HEADER_VALUE' });
  }
  if (INVALID.test(String(value))) {
    throw Object.assign(new TypeError(`Invalid character in header content ["${name}"]`), { code: 'ERR_INVALID_CHAR' });
  }
}
