// `http.Server`: the router listens in its place, and hands it one request at a time.

import { OutgoingStream } from '../../outgoing.js';
import { failServer, setServer } from '../../servers.js';
import { onUncaughtError, report } from '../../tasks.js';
import { forgetStores } from '../async_hooks.js';
import EventEmitter from '../events.js';
import { IncomingMessage, setContent } from './incoming.js';
import { ServerResponse, kSink, listHeaders } from './outgoing.js';
import { RequestSocket } from './socket.js';

const portOfDyno = () => Number(globalThis.process.env.PORT) || 80;

export function Server(options, listener) {
  if (!(this instanceof Server)) return new Server(options, listener);
  EventEmitter.call(this);
  if (typeof options === 'function') [options, listener] = [{}, options];
  this.listening = false;
  this.timeout = 0;
  this.keepAliveTimeout = 5000;
  this.headersTimeout = 60_000;
  this.requestTimeout = 300_000;
  this.maxHeadersCount = null;
  this.maxRequestsPerSocket = 0;
  this._IncomingMessage = options?.IncomingMessage ?? IncomingMessage;
  this._ServerResponse = options?.ServerResponse ?? ServerResponse;
  if (listener) this.on('request', listener);
}
Object.setPrototypeOf(Server.prototype, EventEmitter.prototype);
Object.setPrototypeOf(Server, EventEmitter);

Object.assign(Server.prototype, {
  /** `listen(port, host, backlog, listening)`, and the forms with an object or without a port. */
  listen(...values) {
    const [first] = values;
    const listening = values.findLast((value) => typeof value === 'function');
    if (listening) this.once('listening', listening);
    const asked = typeof first === 'object' && first !== null ? first.port : first;
    this._port = Number(asked) || portOfDyno();
    this.listening = true;
    setServer({ answerByNode: (incoming, responseOut, later) => answer(this, incoming, responseOut, later) }, this._port === portOfDyno());
    queueMicrotask(() => this.emit('listening'));
    return this;
  },

  address() {
    return this.listening ? { address: '0.0.0.0', family: 'IPv4', port: this._port } : null;
  },

  close(done) {
    const wasListening = this.listening;
    this.listening = false;
    queueMicrotask(() => {
      this.emit('close');
      done?.(wasListening ? undefined : Object.assign(new Error('Server is not running.'), { code: 'ERR_SERVER_NOT_RUNNING' }));
    });
    return this;
  },

  getConnections(done) {
    queueMicrotask(() => done(null, 1));
    return this;
  },

  setTimeout() {
    return this;
  },

  closeAllConnections() {},
  closeIdleConnections() {},

  ref() {
    return this;
  },

  unref() {
    return this;
  },

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    this.close();
  },
});

/** Sends a response to the host: the head goes out with the first piece of the body. */
class HostSink {
  #responseOut;
  #stream;

  constructor(responseOut) {
    this.#responseOut = responseOut;
  }

  start(message) {
    this.#stream ??= new OutgoingStream(this.#responseOut, message.statusCode, listHeaders(message));
    return this.#stream;
  }

  write(message, bytes) {
    this.start(message).write(bytes);
  }

  finish(message, trailers) {
    this.start(message).finish(trailers);
  }

  abort() {
    // Without a head, the host answers for the app when the instance returns.
    this.#stream?.abort();
  }
}

/** The open response. There is at most one, since a dyno answers one request at a time. */
let current;

onUncaughtError((error) => {
  if (current) failResponse(current.response);
  else failServer(error);
});

/** Answers a request. Resolves when the response is closed. */
async function answer(server, incoming, responseOut, later) {
  const entries = incoming.entries();
  const valueOf = (name) => incoming.headers().get(name);
  const socket = new RequestSocket(clientOf(valueOf('x-forwarded-for')), valueOf('x-forwarded-proto') === 'https');
  const request = new server._IncomingMessage(socket);
  request.method = incoming.method;
  request.url = incoming.target();
  setContent(request, entries, bodyOf(incoming, valueOf));
  if (request.rawHeaders.every((text, at) => at % 2 === 1 || text !== 'host')) request.rawHeaders.push('host', incoming.host());
  const response = new server._ServerResponse(request);
  response[kSink] = new HostSink(responseOut);
  response.assignSocket(socket);
  socket.server = server;
  const isClosed = new Promise((done) => response.once('close', done));
  current = { response, later };
  callListeners(server, request, response);
  await isClosed;
  current = undefined;
  forgetStores();
  request.destroy();
}

/** Work that goes on after a response, such as a call of `fetch`: the next request waits for it. */
export function finishBefore(promise) {
  current?.later.push(promise.then(() => {}, () => {}));
  return promise;
}

function clientOf(forwarded) {
  return forwarded?.split(',', 1)[0].trim() || '127.0.0.1';
}

/** The body of a request. A GET request has none by custom, but may have one. */
function bodyOf(incoming, valueOf) {
  if (incoming.body) return incoming.body;
  return Number(valueOf('content-length')) > 0 ? incoming.openBody() : null;
}

function callListeners(server, request, response) {
  try {
    const listeners = server.listeners('request');
    for (const listener of listeners) {
      const result = listener.call(server, request, response);
      if (typeof result?.then === 'function') {
        result.then(undefined, (error) => {
          report(error, `${request.method} ${request.url} failed`);
          failResponse(response);
        });
      }
    }
    if (listeners.length === 0) failResponse(response);
  } catch (error) {
    report(error, `${request.method} ${request.url} failed`);
    failResponse(response);
  }
}

/** Answers with status 500, or breaks the response off if its head is sent. */
function failResponse(response) {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  const text = 'Internal Server Error\n';
  const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': text.length };
  ServerResponse.prototype.writeHead.call(response, 500, headers);
  response._hasBody = response.req?.method !== 'HEAD';
  ServerResponse.prototype.end.call(response, text);
}
