// `Request`, `Response` and `fetch` of the Fetch Standard, on top of the engine's own `fetch`.

import { Message, encoder, extract, lengths } from './body.js';

export const nativeFetch = globalThis.fetch;
const NativeResponse = globalThis.Response;
const METHODS = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH'];
/** Statuses without content (Fetch 2.2.3 "null body status"). */
export const NO_CONTENT = [101, 103, 204, 205, 304];
const REDIRECTS = [301, 302, 303, 307, 308];
/** Most redirects, as in the Fetch Standard. */
const REDIRECTS_MAX = 20;
const INTERNAL = Symbol('internal');

export class Request extends Message {
  #url;
  #method = 'GET';
  #headers;
  #signal = null;
  #incoming = null;
  #redirect = 'follow';

  constructor(input, init = {}) {
    super();
    if (input === INTERNAL) {
      this.#incoming = init;
      this.#method = init.method;
      return;
    }
    init ??= {};
    const from = input instanceof Request ? input : undefined;
    this.#url = from ? from.url : new URL(String(input)).href;
    this.#method = normalMethod(init.method ?? from?.method ?? 'GET');
    this.#headers = new Headers(init.headers ?? from?.headers);
    this.#signal = init.signal === undefined ? (from?.signal ?? null) : init.signal;
    this.#redirect = init.redirect ?? from?.redirect ?? 'follow';
    this.#setBody(init.body, from);
  }

  #setBody(body, from) {
    const hasBody = body !== null && body !== undefined;
    const isTaken = !hasBody && body === undefined && from && from.body !== null;
    if ((hasBody || isTaken) && (this.#method === 'GET' || this.#method === 'HEAD')) {
      throw new TypeError(`a ${this.#method} request has no body`);
    }
    if (isTaken) {
      const stream = from.body;
      const length = lengths.get(stream);
      Message.setSource(this, Message.takeSource(from));
      if (length !== undefined) lengths.set(stream, length);
      return;
    }
    const [source, type] = extract(body);
    Message.setSource(this, source);
    if (type && !this.#headers.has('content-type')) this.#headers.set('content-type', type);
  }

  /** A request that the host hands over: `{ method, url(), headers(), body }`, each read when the app uses it. */
  static fromIncoming(incoming) {
    const request = new Request(INTERNAL, incoming);
    if (incoming.body) Message.setSource(request, incoming.body);
    return request;
  }

  get method() {
    return this.#method;
  }

  get url() {
    return (this.#url ??= this.#incoming.url());
  }

  get headers() {
    return (this.#headers ??= this.#incoming.headers());
  }

  get signal() {
    return (this.#signal ??= new AbortController().signal);
  }

  get redirect() {
    return this.#redirect;
  }

  get cache() {
    return 'default';
  }

  get credentials() {
    return 'same-origin';
  }

  get destination() {
    return '';
  }

  get duplex() {
    return 'half';
  }

  get integrity() {
    return '';
  }

  get keepalive() {
    return false;
  }

  get mode() {
    return 'cors';
  }

  get referrer() {
    return 'about:client';
  }

  get referrerPolicy() {
    return '';
  }

  clone() {
    const copy = new Request(this.url, {
      method: this.#method,
      headers: this.headers,
      signal: this.#signal,
      redirect: this.#redirect,
    });
    Message.copySource(this, copy);
    return copy;
  }

  get [Symbol.toStringTag]() {
    return 'Request';
  }
}

function normalMethod(method) {
  const text = String(method);
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text)) throw new TypeError(`"${text}" is no HTTP method`);
  const upper = text.toUpperCase();
  return METHODS.includes(upper) ? upper : text;
}

export class Response extends Message {
  #status = 200;
  #statusText = '';
  #headers;
  #type = 'default';
  #url = '';
  #redirected = false;

  constructor(body = null, init = {}) {
    super();
    init ??= {};
    if (init.status !== undefined) {
      const status = Number(init.status);
      if (!Number.isInteger(status) || status < 200 || status > 599) {
        throw new RangeError(`${init.status} is no status of a response: it must be from 200 to 599`);
      }
      this.#status = status;
    }
    if (init.statusText !== undefined) this.#statusText = String(init.statusText);
    this.#headers = new Headers(init.headers);
    const [source, type] = extract(body);
    if (source !== null && NO_CONTENT.includes(this.#status)) {
      throw new TypeError(`a response with status ${this.#status} has no body`);
    }
    Message.setSource(this, source);
    if (type && !this.#headers.has('content-type')) this.#headers.set('content-type', type);
  }

  static error() {
    const response = new Response();
    response.#type = 'error';
    response.#status = 0;
    return response;
  }

  static redirect(url, status = 302) {
    if (!REDIRECTS.includes(status)) throw new RangeError(`${status} is no status of a redirect`);
    let location;
    try {
      location = new URL(String(url)).href;
    } catch {
      // Outside of browsers there is no base; a relative location is allowed by RFC 9110 10.2.2.
      location = String(url);
    }
    return new Response(null, { status, headers: { location } });
  }

  static json(data, init = {}) {
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError('the value has no JSON');
    const headers = new Headers(init.headers);
    if (!headers.has('content-type')) headers.set('content-type', 'application/json');
    return new Response(text, { ...init, status: init.status, statusText: init.statusText, headers });
  }

  /** A response of the engine's `fetch`. */
  static fromNative(native, url, redirected) {
    const response = new Response();
    response.#status = native.status;
    response.#statusText = native.statusText;
    response.#headers = new Headers(native.headers);
    response.#type = 'basic';
    response.#url = url;
    response.#redirected = redirected;
    const source = fetchedSource(native, response.#headers);
    Message.setSource(response, source);
    return response;
  }

  get status() {
    return this.#status;
  }

  get statusText() {
    return this.#statusText;
  }

  get ok() {
    return this.#status >= 200 && this.#status <= 299;
  }

  get headers() {
    return this.#headers;
  }

  get type() {
    return this.#type;
  }

  get url() {
    return this.#url;
  }

  get redirected() {
    return this.#redirected;
  }

  clone() {
    const copy = new Response(null, { statusText: this.#statusText, headers: this.#headers });
    copy.#status = this.#status;
    copy.#type = this.#type;
    copy.#url = this.#url;
    copy.#redirected = this.#redirected;
    Message.copySource(this, copy);
    return copy;
  }

  get [Symbol.toStringTag]() {
    return 'Response';
  }
}

/**
 * A decoded response loses the header fields that describe the encoded form, so that the app can pass it on. The engine
 * decodes nothing by itself.
 */
function fetchedSource(native, headers) {
  if (NO_CONTENT.includes(native.status)) return null;
  const encoding = headers.get('content-encoding')?.trim().toLowerCase();
  const format = { gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate' }[encoding];
  if (format) {
    headers.delete('content-encoding');
    headers.delete('content-length');
    return {
      open: () => (native.body ?? new NativeResponse('').body).pipeThrough(new DecompressionStream(format)),
      bytes() {
        return new Response(this.open()).bytes();
      },
    };
  }
  const announced = headers.get('content-length');
  return {
    open() {
      const stream = native.body ?? new NativeResponse('').body;
      if (announced !== null) lengths.set(stream, announced);
      return stream;
    },
    bytes: async () => new Uint8Array(await native.arrayBuffer()),
  };
}

export async function fetch(input, init) {
  const request = input instanceof Request && init === undefined ? input : new Request(input, init);
  const { signal } = request;
  signal.throwIfAborted();
  const call = { url: request.url, method: request.method, headers: new Headers(request.headers) };
  call.body = await wireBody(request);
  for (let redirects = 0; ; redirects += 1) {
    const native = await abortable(send(call), signal);
    const location = REDIRECTS.includes(native.status) ? native.headers.get('location') : null;
    if (location === null || request.redirect === 'manual') {
      return Response.fromNative(native, call.url, redirects > 0);
    }
    if (request.redirect === 'error') throw new TypeError(`${call.url} redirects, and redirect is "error"`);
    if (redirects === REDIRECTS_MAX) throw new TypeError(`more than ${REDIRECTS_MAX} redirects`);
    // A body that is not read would keep its connection open.
    await native.arrayBuffer();
    follow(call, native.status, new URL(location, call.url));
  }
}

/** Changes a request to the one that a redirect requires (Fetch 4.4). */
function follow(call, status, url) {
  const isPost = call.method === 'POST' && (status === 301 || status === 302);
  const isOther = status === 303 && call.method !== 'GET' && call.method !== 'HEAD';
  if (new URL(call.url).origin !== url.origin) call.headers.delete('authorization');
  call.url = url.href;
  if (isPost || isOther) {
    call.method = 'GET';
    call.body = null;
    const names = ['encoding', 'language', 'location', 'type', 'length'];
    for (const name of names) call.headers.delete(`content-${name}`);
  } else if (call.body instanceof ReadableStream) {
    throw new TypeError(`a redirect with status ${status} needs the body again, which was a stream`);
  }
}

/** Returns the body in a form that the engine accepts: null, bytes, or a stream of the engine. */
async function wireBody(request) {
  const source = Message.takeSource(request);
  if (typeof source === 'string') return encoder.encode(source);
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  return typeof source?.open === 'function' ? source.open() : source;
}

async function send({ url, method, headers, body }) {
  if (!/^https?:/i.test(url)) throw new TypeError(`fetch speaks http and https only, not ${url.slice(0, 100)}`);
  if (body === null) return nativeFetch(url, { method, headers });
  if (body instanceof ReadableStream) return nativeFetch(url, { method, headers, body, duplex: 'half' });
  headers.set('content-length', String(body.length));
  return nativeFetch(url, { method, headers, body });
}

function abortable(promise, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

// A bundler may have given the classes other names.
Object.defineProperty(Request, 'name', { value: 'Request' });
Object.defineProperty(Response, 'name', { value: 'Response' });
Object.assign(globalThis, { Request, Response, fetch });
