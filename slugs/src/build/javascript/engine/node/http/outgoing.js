// `http.OutgoingMessage` and `http.ServerResponse`: the response to a request.

import { describeUnfinished, isClientGone } from '../../outgoing.js';
import { Buffer } from '../buffer.js';
import stream from '../stream.js';
import { encodeValue, validateHeaderName, validateHeaderValue } from './fields.js';
import { STATUS_CODES } from './names.js';

const { Stream } = stream;
/** Headers of one connection (RFC 9110 7.6.1), which is the router's. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'te', 'trailer']);

export const kSink = Symbol('sink');
const kFields = Symbol('fields');
const kTrailers = Symbol('trailers');

function makeError(code, message, Kind = Error) {
  return Object.assign(new Kind(message), { code });
}

/** A function and no class, since packages inherit from it in the older style. */
export function OutgoingMessage() {
  Stream.call(this);
  this.writable = true;
  this.destroyed = false;
  this.finished = false;
  this.writableFinished = false;
  this.errored = null;
  this.sendDate = true;
  this.shouldKeepAlive = true;
  this.chunkedEncoding = false;
  this.useChunkedEncodingByDefault = true;
  this.strictContentLength = false;
  this.socket = null;
  this.outputData = [];
  this.writableCorked = 0;
  this._header = null;
  this._hasBody = true;
  this._closed = false;
  this._contentLength = null;
  this._removedContLen = false;
  this[kFields] = new Map();
  this[kTrailers] = undefined;
  this[kSink] = null;
}
Object.setPrototypeOf(OutgoingMessage.prototype, Stream.prototype);
Object.setPrototypeOf(OutgoingMessage, Stream);

const getters = {
  headersSent() {
    return this._header !== null;
  },
  writableEnded() {
    return this.finished;
  },
  closed() {
    return this._closed;
  },
  writableLength: () => 0,
  writableHighWaterMark: () => 64 * 1024,
  writableObjectMode: () => false,
  writableNeedDrain: () => false,
  connection() {
    return this.socket;
  },
};
for (const [name, get] of Object.entries(getters)) {
  Object.defineProperty(OutgoingMessage.prototype, name, { configurable: true, enumerable: true, get, set() {} });
}

const outgoing = {
  setHeader(name, value) {
    if (this._header !== null) throw makeError('ERR_HTTP_HEADERS_SENT', 'Cannot set headers after they are sent to the client');
    validateHeaderName(name);
    if (Array.isArray(value)) value.forEach((one) => validateHeaderValue(name, one));
    else validateHeaderValue(name, value);
    this[kFields].set(name.toLowerCase(), [name, value]);
    return this;
  },

  setHeaders(headers) {
    for (const [name, value] of headers) this.setHeader(name, value);
    return this;
  },

  appendHeader(name, value) {
    const before = this.getHeader(name);
    return this.setHeader(name, before === undefined ? value : [].concat(before, value));
  },

  getHeader(name) {
    return this[kFields].get(String(name).toLowerCase())?.[1];
  },

  getHeaders() {
    const headers = Object.create(null);
    for (const [name, [, value]] of this[kFields]) headers[name] = value;
    return headers;
  },

  getHeaderNames() {
    return [...this[kFields].keys()];
  },

  getRawHeaderNames() {
    return [...this[kFields].values()].map(([name]) => name);
  },

  hasHeader(name) {
    return this[kFields].has(String(name).toLowerCase());
  },

  removeHeader(name) {
    if (this._header !== null) throw makeError('ERR_HTTP_HEADERS_SENT', 'Cannot remove headers after they are sent to the client');
    const key = String(name).toLowerCase();
    this[kFields].delete(key);
    if (key === 'content-length') this._removedContLen = true;
  },

  addTrailers(headers) {
    const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
    this[kTrailers] ??= [];
    for (const [name, value] of pairs) {
      validateHeaderName(name, 'Trailer name');
      validateHeaderValue(name, value);
      this[kTrailers].push([name, encodeValue(String(value))]);
    }
  },

  flushHeaders() {
    if (this._header === null) this._implicitHeader();
    this[kSink]?.start(this);
  },

  _implicitHeader() {
    throw makeError('ERR_METHOD_NOT_IMPLEMENTED', 'The _implicitHeader() method is not implemented');
  },

  write(piece, encoding, done) {
    if (typeof encoding === 'function') [encoding, done] = [undefined, encoding];
    const bytes = toBytes(piece, encoding);
    if (this.finished) return fail(this, makeError('ERR_STREAM_WRITE_AFTER_END', 'write after end'), done);
    if (this.destroyed) return fail(this, makeError('ERR_STREAM_DESTROYED', 'Cannot call write after a stream was destroyed'), done, true);
    if (this._header === null) this._implicitHeader();
    return send(this, bytes, done);
  },

  end(piece, encoding, done) {
    if (typeof piece === 'function') [piece, done] = [undefined, piece];
    else if (typeof encoding === 'function') [encoding, done] = [undefined, encoding];
    if (this.finished) {
      if (done) queueMicrotask(() => done(makeError('ERR_STREAM_ALREADY_FINISHED', 'Cannot call end after a stream was finished')));
      return this;
    }
    const bytes = piece === null || piece === undefined ? undefined : toBytes(piece, encoding);
    if (this._header === null) {
      this._contentLength = bytes?.length ?? 0;
      this._implicitHeader();
    }
    if (done) this.once('finish', done);
    if (this.destroyed) return this;
    if (bytes?.length > 0) send(this, bytes);
    this.finished = true;
    if (!this.destroyed) finish(this);
    return this;
  },

  destroy(error) {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.errored = error ?? null;
    if (!this.writableFinished) this[kSink]?.abort();
    if (this.socket && !this.socket.destroyed) this.socket.destroy();
    queueMicrotask(() => close(this));
    return this;
  },

  cork() {
    this.writableCorked += 1;
  },

  uncork() {
    this.writableCorked -= 1;
  },

  setTimeout() {
    return this;
  },

  pipe() {
    this.emit('error', makeError('ERR_STREAM_CANNOT_PIPE', 'Cannot pipe, not readable'));
  },

  _send(piece, encoding, done) {
    return this.write(piece, encoding, done);
  },
};
Object.assign(OutgoingMessage.prototype, outgoing);

function toBytes(piece, encoding) {
  if (piece === null) throw makeError('ERR_STREAM_NULL_VALUES', 'May not write null values to stream', TypeError);
  if (typeof piece === 'string') return Buffer.from(piece, encoding);
  if (piece instanceof Uint8Array) return piece;
  throw makeError(
    'ERR_INVALID_ARG_TYPE',
    'The "chunk" argument must be of type string or an instance of Buffer or Uint8Array',
    TypeError,
  );
}

function fail(message, error, done, isSilent = false) {
  queueMicrotask(() => {
    done?.(error);
    if (!isSilent) message.emit('error', error);
  });
  return false;
}

/** Runs a step of sending. Returns false if the client has left. */
function attempt(message, step) {
  try {
    step();
    return true;
  } catch (error) {
    if (!isClientGone(error)) throw error;
    loseClient(message);
    return false;
  }
}

function send(message, bytes, done) {
  const isSent = attempt(message, () => {
    if (message._hasBody) message[kSink]?.write(message, bytes);
  });
  if (!isSent) return fail(message, makeError('ECONNRESET', 'the client has left'), done, true);
  if (done) queueMicrotask(done);
  return true;
}

function finish(message) {
  try {
    if (!attempt(message, () => message[kSink]?.finish(message, message[kTrailers]))) return;
  } catch (error) {
    if (error?.payload === undefined) throw error;
    console.error(`${message.req?.method} ${message.req?.url} broke off: ${describeUnfinished(error)}`);
    message.destroy();
    return;
  }
  message.emit('prefinish');
  queueMicrotask(() => {
    message.writableFinished = true;
    message.emit('finish');
    if (!message._closesAfterFinish) return;
    message.destroyed = true;
    close(message);
  });
}

function close(message) {
  if (message._closed) return;
  message._closed = true;
  message.emit('close');
}

/** The client has left while the response was sent. */
function loseClient(message) {
  const { req } = message;
  if (req && !req.complete) req.aborted = true;
  message.destroy();
  if (req?.aborted) queueMicrotask(() => req.emit('aborted'));
}

/** The head of a message: pairs of a name and bytes. */
export function listHeaders(message) {
  const pairs = [];
  for (const [key, [name, value]] of message[kFields]) {
    if (HOP_BY_HOP.has(key)) continue;
    if (Array.isArray(value)) for (const one of value) pairs.push([name, encodeValue(String(one))]);
    else pairs.push([name, encodeValue(String(value))]);
  }
  const isKnown = message._contentLength !== null && !message._removedContLen;
  if (isKnown && message._mayHaveLength && !message.hasHeader('content-length')) {
    pairs.push(['Content-Length', encodeValue(String(message._contentLength))]);
  }
  return pairs;
}

export function ServerResponse(request) {
  OutgoingMessage.call(this);
  this.req = request;
  this.statusCode = 200;
  this.statusMessage = undefined;
  this._mayHaveLength = true;
  // A request is closed when its response has ended.
  this._closesAfterFinish = true;
  if (request?.method === 'HEAD') this._hasBody = false;
}
Object.setPrototypeOf(ServerResponse.prototype, OutgoingMessage.prototype);
Object.setPrototypeOf(ServerResponse, OutgoingMessage);

/** Sets headers that are an object, a list of pairs, or a flat list of names and values. */
function setAll(response, headers) {
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) response.setHeader(name, value);
    return;
  }
  if (Array.isArray(headers[0])) {
    for (const [name, value] of headers) response.appendHeader(name, value);
    return;
  }
  for (let at = 0; at < headers.length; at += 2) response.removeHeader(headers[at]);
  for (let at = 0; at < headers.length; at += 2) response.appendHeader(headers[at], headers[at + 1]);
}

Object.assign(ServerResponse.prototype, {
  writeHead(status, reason, headers) {
    if (this._header !== null) throw makeError('ERR_HTTP_HEADERS_SENT', 'Cannot write headers after they are sent to the client');
    const code = status | 0;
    if (code < 100 || code > 999) throw makeError('ERR_HTTP_INVALID_STATUS_CODE', `Invalid status code: ${status}`, RangeError);
    if (typeof reason !== 'string') headers ??= reason;
    else this.statusMessage = reason;
    this.statusMessage ??= STATUS_CODES[code] ?? 'unknown';
    if (headers) setAll(this, headers);
    this.statusCode = code;
    if (code === 204 || code === 304 || code < 200) {
      this._hasBody = false;
      this._mayHaveLength = false;
    }
    this._header = `HTTP/1.1 ${code} ${this.statusMessage}\r\n`;
    return this;
  },

  _implicitHeader() {
    this.writeHead(this.statusCode);
  },

  writeContinue: (done) => done?.(),
  writeProcessing: (done) => done?.(),
  writeEarlyHints: (_, done) => done?.(),
  assignSocket(socket) {
    this.socket = socket;
    socket._httpMessage = this;
  },
  detachSocket() {
    this.socket = null;
  },
});
ServerResponse.prototype.writeHeader = ServerResponse.prototype.writeHead;
