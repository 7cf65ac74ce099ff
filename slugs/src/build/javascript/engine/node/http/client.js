// `http.request` and `https.request`, by the engine's own client. Nothing is sent before the body is complete.

import { nativeFetch } from '../../web.js';
import { Buffer } from '../buffer.js';
import EventEmitter from '../events.js';
import { IncomingMessage, setContent } from './incoming.js';
import { OutgoingMessage, kSink } from './outgoing.js';
import { finishBefore } from './server.js';
import { RequestSocket } from './socket.js';
import { STATUS_CODES } from './names.js';

/** Headers that the host writes itself. */
const OF_HOST = new Set(['connection', 'content-length', 'host', 'keep-alive', 'proxy-connection', 'te', 'transfer-encoding', 'upgrade']);

/** Collects the body; sends the request when it ends. */
class CallSink {
  #pieces = [];

  start() {}

  write(_, bytes) {
    this.#pieces.push(Buffer.from(bytes));
  }

  finish(message) {
    message._begin(Buffer.concat(this.#pieces));
  }

  abort() {
    this.#pieces = [];
  }
}

export class Agent extends EventEmitter {
  constructor(options = {}) {
    super();
    this.options = { ...options };
    this.maxSockets = options.maxSockets ?? Number.POSITIVE_INFINITY;
    this.maxFreeSockets = options.maxFreeSockets ?? 256;
    this.keepAlive = options.keepAlive ?? false;
    Object.assign(this, { sockets: {}, freeSockets: {}, requests: {}, protocol: 'http:', defaultPort: 80 });
  }

  destroy() {}

  getName = ({ host = 'localhost', port = '' } = {}) => `${host}:${port}:`;
}

function urlOf(options, protocol) {
  const scheme = options.protocol ?? protocol;
  const host = options.hostname ?? options.host ?? 'localhost';
  const isV6 = host.includes(':') && !host.startsWith('[');
  const port = options.port ? `:${options.port}` : '';
  return `${scheme}//${isV6 ? `[${host}]` : host.replace(/:\d+$/, options.port ? '' : '$&')}${port}${options.path ?? '/'}`;
}

export class ClientRequest extends OutgoingMessage {
  #timer;

  constructor(input, options, done, protocol = 'http:') {
    super();
    if (typeof options === 'function') [options, done] = [{}, options];
    if (typeof input === 'string') input = new URL(input);
    if (input instanceof URL) {
      const { protocol: scheme, hostname, port, pathname, search, username, password } = input;
      const auth = username ? `${decodeURIComponent(username)}:${decodeURIComponent(password)}` : undefined;
      options = { protocol: scheme, hostname: hostname.replace(/^\[|\]$/g, ''), port, path: pathname + search, auth, ...options };
    } else {
      options = { ...input, ...options };
    }
    this.method = (options.method ?? 'GET').toUpperCase();
    this.path = options.path ?? '/';
    this.host = options.hostname ?? options.host ?? 'localhost';
    this.protocol = options.protocol ?? protocol;
    this.agent = options.agent;
    this.reusedSocket = false;
    this.res = null;
    this.aborted = false;
    this._url = urlOf(options, protocol);
    this[kSink] = new CallSink();
    const headers = Array.isArray(options.headers) ? pairsOf(options.headers) : Object.entries(options.headers ?? {});
    for (const [name, value] of headers) if (value !== undefined) this.setHeader(name, value);
    if (options.auth && !this.hasHeader('authorization')) {
      this.setHeader('Authorization', `Basic ${Buffer.from(options.auth).toString('base64')}`);
    }
    if (done) this.once('response', done);
    options.signal?.addEventListener('abort', () => this.destroy(options.signal.reason));
    if (options.timeout) this.setTimeout(options.timeout);
    queueMicrotask(() => this.#connect());
  }

  #connect() {
    if (this.destroyed) return;
    this.socket = new RequestSocket(this.host, this.protocol === 'https:');
    this.emit('socket', this.socket);
    this.socket.emit('connect');
    if (this.protocol === 'https:') this.socket.emit('secureConnect');
  }

  _implicitHeader() {
    this._header = `${this.method} ${this.path} HTTP/1.1\r\n`;
  }

  /** Sends the request, when its body has ended. */
  _begin(body) {
    const headers = new Headers();
    for (const [name, value] of Object.entries(this.getHeaders())) {
      if (!OF_HOST.has(name)) for (const one of [].concat(value)) headers.append(name, String(one));
    }
    const init = { method: this.method, headers };
    if (body.length > 0) {
      init.body = new Uint8Array(body);
      headers.set('content-length', String(body.length));
    }
    finishBefore(this.#exchange(init));
  }

  async #exchange(init) {
    try {
      const answered = await nativeFetch(this._url, init);
      clearTimeout(this.#timer);
      // An unread body would keep its connection open.
      if (this.destroyed && this.errored) return void (await answered.arrayBuffer());
      this.#deliver(answered);
    } catch (error) {
      clearTimeout(this.#timer);
      if (this._closed) return;
      const failure = Object.assign(new Error(`connect to ${this.host}: ${error.message}`, { cause: error }), { code: 'ECONNREFUSED', syscall: 'connect' });
      this.destroyed = true;
      this.errored = failure;
      this.emit('error', failure);
      this.#close();
    }
  }

  #close() {
    if (this._closed) return;
    this._closed = true;
    this.emit('close');
  }

  #deliver(answered) {
    const response = new IncomingMessage(this.socket);
    response.statusCode = answered.status;
    response.statusMessage = answered.statusText || (STATUS_CODES[answered.status] ?? '');
    response.req = this;
    const reader = answered.body?.getReader();
    const body = reader && {
      read: async () => {
        const { done, value } = await reader.read();
        return done ? undefined : value;
      },
      close: () => reader.cancel().catch(() => {}),
    };
    setContent(response, answered.headers.entries(), body);
    this.res = response;
    response.once('end', () => queueMicrotask(() => this.#close()));
    // Without a listener, the response is read to its end, so that its connection is free again.
    if (!this.emit('response', response)) response.resume();
  }

  setTimeout(milliseconds, done) {
    if (done) this.once('timeout', done);
    clearTimeout(this.#timer);
    if (milliseconds > 0) this.#timer = setTimeout(() => this.emit('timeout'), milliseconds);
    return this;
  }

  setNoDelay() {}

  setSocketKeepAlive() {}

  abort() {
    this.aborted = true;
    this.emit('abort');
    this.destroy();
  }

  destroy(error) {
    if (this.destroyed && this.errored) return this;
    this.destroyed = true;
    clearTimeout(this.#timer);
    this.errored = error ?? Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
    this.res?.destroy(error);
    queueMicrotask(() => {
      if (!this.res || error) this.emit('error', this.errored);
      this.#close();
    });
    return this;
  }
}

const pairsOf = (flat) => flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1]]] : []));

/** The functions of a module: `http` or `https`. */
export function clientOf(protocol) {
  const request = (input, options, done) => new ClientRequest(input, options, done, protocol);
  const get = (input, options, done) => request(input, options, done).end();
  return { request, get };
}
