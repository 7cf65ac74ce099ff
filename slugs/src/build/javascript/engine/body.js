// Bodies of requests and responses: the values that they are made of, and how they are read (Fetch Standard, 5 "Body mixin").
//
// A body stays a string, bytes or a Blob for as long as possible: a stream is made only when the app asks for one. The
// engine's own classes lack `clone` and `bytes`, and damage files in forms.

import { encodeForm, parseForm } from './form.js';

export const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The lengths of streams from messages of known length. Only for these streams is an announced length used. */
export const lengths = new WeakMap();

/** Makes a body of a value that `new Response(…)` accepts. Returns `[source, content type]`. */
export function extract(body) {
  if (body === null || body === undefined) return [null, null];
  if (typeof body === 'string') return [body, 'text/plain;charset=UTF-8'];
  if (body instanceof ReadableStream) {
    if (body.locked) throw new TypeError('the body is a stream that somebody else reads already');
    return [body, null];
  }
  if (body instanceof ArrayBuffer) return [new Uint8Array(body.slice(0)), null];
  if (ArrayBuffer.isView(body)) {
    return [new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice(), null];
  }
  if (body instanceof Blob) return [body, body.type || null];
  if (body instanceof URLSearchParams) {
    return [body.toString(), 'application/x-www-form-urlencoded;charset=UTF-8'];
  }
  if (body instanceof FormData) return encodeForm(body);
  if (typeof body[Symbol.asyncIterator] === 'function') return [ReadableStream.from(body), null];
  return [String(body), 'text/plain;charset=UTF-8'];
}

/** The common part of `Request` and `Response`. A source may be an object that gives the bytes or opens a stream. */
export class Message {
  #source = null;
  #stream = null;
  #used = false;

  /** Only for the two classes: sets the source, as `extract` returns it, or an object with `bytes()` and `open()`. */
  static setSource(message, source) {
    message.#source = source;
  }

  /** For sending: returns the source itself. The message counts as used. */
  static takeSource(message) {
    if (message.#source === null) return null;
    message.#requireUnused();
    message.#used = true;
    return message.#stream ?? message.#source;
  }

  static isUsed(message) {
    return message.#isUsed();
  }

  /** For `clone`: gives both messages the whole body. */
  static copySource(from, to) {
    from.#requireUnused();
    const source = from.#source;
    if (source === null) return;
    if (source instanceof Uint8Array) to.#source = source.slice();
    else if (typeof source === 'string' || (source instanceof Blob && !from.#stream)) to.#source = source;
    else {
      const stream = from.body;
      const length = lengths.get(stream);
      const [one, other] = stream.tee();
      if (length !== undefined) {
        lengths.set(one, length);
        lengths.set(other, length);
      }
      from.#source = from.#stream = one;
      to.#source = to.#stream = other;
    }
  }

  get body() {
    const source = this.#source;
    if (source === null || this.#stream) return this.#stream;
    if (source instanceof ReadableStream) this.#stream = source;
    else if (typeof source.open === 'function') this.#stream = source.open();
    else this.#stream = streamOf(source);
    return this.#stream;
  }

  get bodyUsed() {
    return this.#source !== null && this.#isUsed();
  }

  #isUsed() {
    return this.#used || (this.#stream?.locked ?? false);
  }

  #requireUnused() {
    if (this.#isUsed()) throw new TypeError('the body was read already: `clone()` the message before reading it twice');
  }

  async bytes() {
    if (this.#source === null) return new Uint8Array();
    const source = Message.takeSource(this);
    if (typeof source === 'string') return encoder.encode(source);
    if (source instanceof Uint8Array) return source;
    if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
    if (source instanceof ReadableStream) return readAll(source);
    return source.bytes();
  }

  async arrayBuffer() {
    const bytes = await this.bytes();
    const { buffer, byteOffset, byteLength } = bytes;
    return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
  }

  async text() {
    // A string is returned unchanged; bytes may begin with a byte order mark.
    if (typeof this.#source === 'string' && !this.#stream) return Message.takeSource(this);
    return decoder.decode(await this.bytes());
  }

  async json() {
    return JSON.parse(await this.text());
  }

  async blob() {
    const type = this.headers.get('content-type') ?? '';
    return new Blob([await this.bytes()], { type });
  }

  async formData() {
    const type = this.headers.get('content-type') ?? '';
    return parseForm(await this.bytes(), type);
  }
}

/** A stream of one piece. */
function streamOf(source) {
  if (source instanceof Blob) return source.stream();
  const bytes = typeof source === 'string' ? encoder.encode(source) : source;
  return new ReadableStream({
    start(controller) {
      if (bytes.length > 0) controller.enqueue(bytes);
      controller.close();
    },
  });
}

/** Returns the bytes of a piece of a body. The standard allows only `Uint8Array`. */
export function toBytes(piece) {
  if (piece instanceof Uint8Array) return piece;
  if (Object.prototype.toString.call(piece) === '[object Uint8Array]') return ownBytes(piece);
  const what = piece === null ? 'null' : typeof piece === 'object' ? piece.constructor?.name : `a ${typeof piece}`;
  const remedy = typeof piece === 'string' ? ': `new TextEncoder().encode(text)` makes bytes of it' : '';
  throw new TypeError(`the stream of a body gave ${what}, where only Uint8Array may be${remedy}`);
}

/** Converts bytes from the engine's own realm, so that `instanceof Uint8Array` holds for apps. */
export function ownBytes(bytes) {
  return bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
}

async function readAll(stream) {
  const reader = stream.getReader();
  const pieces = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const piece = toBytes(value);
    length += piece.length;
    pieces.push(piece);
  }
  return joinBytes(pieces, length);
}

/** One array of all pieces, which together have this length. A single piece is returned as it is. */
export function joinBytes(pieces, length) {
  if (pieces.length === 1) return pieces[0];
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
