// `http.IncomingMessage`: a request that the app answers, or the response to a request that the app has made.

import { Buffer } from '../buffer.js';
import stream from '../stream.js';
import { decodeValue, joinFields, listFields } from './fields.js';

const { Readable } = stream;
const source = Symbol('source');

/**
 * A function and no class, since packages inherit from it in the older style. The parts are those of the host:
 * `entries()` and a body with `read()`, which returns bytes or undefined at the end; or, for the response to a request,
 * a promise of either.
 */
export function IncomingMessage(socket) {
  Readable.call(this, { autoDestroy: false });
  this.socket = socket;
  this.httpVersion = '1.1';
  this.httpVersionMajor = 1;
  this.httpVersionMinor = 1;
  this.complete = false;
  this.aborted = false;
  this.upgrade = null;
  this.url = '';
  this.method = null;
  this.statusCode = null;
  this.statusMessage = null;
  this.rawHeaders = [];
  this.rawTrailers = [];
  this.trailers = {};
  this.trailersDistinct = Object.create(null);
  this._headers = null;
  this[source] = null;
}
Object.setPrototypeOf(IncomingMessage.prototype, Readable.prototype);
Object.setPrototypeOf(IncomingMessage, Readable);

/** Sets headers, as pairs of a name and bytes, and the body, which may be null. */
export function setContent(message, entries, body) {
  const raw = message.rawHeaders;
  for (const [name, value] of entries) raw.push(name, typeof value === 'string' ? value : decodeValue(value));
  message[source] = body;
}

const accessors = {
  headers: {
    get() {
      return (this._headers ??= joinFields(this.rawHeaders));
    },
    set(value) {
      this._headers = value;
    },
  },
  headersDistinct: {
    get() {
      return (this._headersDistinct ??= listFields(this.rawHeaders));
    },
    set(value) {
      this._headersDistinct = value;
    },
  },
  connection: {
    get() {
      return this.socket;
    },
    set(value) {
      this.socket = value;
    },
  },
};
for (const [name, accessor] of Object.entries(accessors)) {
  Object.defineProperty(IncomingMessage.prototype, name, { configurable: true, enumerable: true, ...accessor });
}

function take(message, piece) {
  if (piece === undefined) {
    message.complete = true;
    message.push(null);
  } else if (piece.length === 0) {
    message._read();
  } else {
    message.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
  }
}

IncomingMessage.prototype._read = function _read() {
  let piece;
  try {
    piece = this[source]?.read();
  } catch (error) {
    this.aborted = true;
    this.destroy(Object.assign(new Error('aborted', { cause: error }), { code: 'ECONNRESET' }));
    return;
  }
  if (typeof piece?.then !== 'function') return take(this, piece);
  piece.then((bytes) => take(this, bytes), (error) => this.destroy(error));
};

IncomingMessage.prototype._destroy = function _destroy(error, done) {
  this[source]?.close?.();
  this[source] = null;
  // An app that does not listen for errors of its requests is not stopped by a client that leaves.
  done(error && this.listenerCount('error') > 0 ? error : null);
};

IncomingMessage.prototype.setTimeout = function setTimeout() {
  return this;
};

IncomingMessage.prototype._addHeaderLines = function addHeaderLines(raw) {
  this.rawHeaders.push(...raw);
  this._headers = null;
};

IncomingMessage.prototype._dump = function dump() {
  this.resume();
};
