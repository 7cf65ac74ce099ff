// The component of every JavaScript app: it answers `wasi:http` with the fetch handler of the bundle `.dyno/app.js`,
// which it reads from the app's files when the dyno boots. The app's own code is therefore never compiled with the
// engine, it sees its config vars from its first line on, and all apps share the same compiled code.

import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam } from 'wasi:http/types@0.2.10';
import './engine/console.js';
import './engine/globals.js';
import './engine/locale.js';
import './engine/web.js';
import './engine/crypto/subtle.js';
import { loadApp } from './engine/app.js';
import { Message, encoder, joinBytes, lengths, ownBytes, toBytes } from './engine/body.js';
import { summarize } from './engine/errors.js';
import { report } from './engine/tasks.js';
import { NO_CONTENT } from './engine/web.js';

/** Bytes of a body that are read at a time. */
const READ_BYTES = 64n * 1024n;
/** Longest time for `waitUntil`. The platform ends a dyno 30 s after its response; this is less. */
const LATER_MS_MAX = 25_000;
/** Headers of one connection (RFC 9110 7.6.1). An app that passes a fetched response on may set them. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'te']);

const decoder = new TextDecoder();

let loading;

/** Returns the app, which is loaded once. An error is logged once. */
function ready() {
  loading ??= loadApp().catch((error) => {
    report(error, 'The app cannot be loaded');
    throw error;
  });
  return loading;
}

export const boot = {
  async load() {
    try {
      await ready();
    } catch (error) {
      const reason = summarize(error);
      throw Object.assign(new Error(reason), { payload: reason });
    }
  },
};

export const incomingHandler = {
  async handle(request, responseOut) {
    const answer = await ready();
    const later = [];
    const incoming = new IncomingRequest(request);
    let outgoing;
    try {
      outgoing = await prepare(await answer(Request.fromIncoming(incoming), later), incoming.method);
    } catch (error) {
      report(error, `${incoming.method} ${pathOf(request)} failed`);
      outgoing = await prepare(new Response('Internal Server Error\n', { status: 500 }), incoming.method);
    }
    await send(outgoing, responseOut, () => `${incoming.method} ${pathOf(request)}`);
    await finishLater(later);
    // The host limits handles, and the engine may never collect one that is not closed.
    incoming.close();
    request[Symbol.dispose]();
  },
};

function pathOf(request) {
  return request.pathWithQuery()?.split('?', 1)[0] ?? '/';
}

/** Waits for the promises of `waitUntil`, and for those that they add. Time is limited, since the dyno takes no other request. */
async function finishLater(later) {
  if (later.length === 0) return;
  let timer;
  const isOver = new Promise((done) => {
    timer = setTimeout(() => done(true), LATER_MS_MAX);
  });
  for (let at = 0; at < later.length; at += 1) {
    const settled = Promise.resolve(later[at]).then(() => false, (error) => report(error, 'Rejected in waitUntil()'));
    if ((await Promise.race([settled, isOver])) === true) {
      console.error(`waitUntil() was given a promise that is open after ${LATER_MS_MAX / 1000} seconds: it is left`);
      return;
    }
  }
  clearTimeout(timer);
}

/** The parts of a request, which are read from the host when the app uses them. */
class IncomingRequest {
  #request;
  #headers;
  #isOver = false;

  constructor(request) {
    this.#request = request;
    const { tag, val } = request.method();
    this.method = tag === 'other' ? val : tag.toUpperCase();
    const hasBody = tag !== 'get' && tag !== 'head';
    this.body = hasBody ? new IncomingBody(request, () => this.headers().get('content-length')) : null;
  }

  url() {
    this.#requireOpen();
    const scheme = this.headers().get('x-forwarded-proto') ?? 'http';
    const host = this.#request.authority() ?? this.headers().get('host') ?? 'localhost';
    return `${scheme}://${host}${this.#request.pathWithQuery() ?? '/'}`;
  }

  headers() {
    if (this.#headers) return this.#headers;
    this.#requireOpen();
    const headers = new Headers();
    const fields = this.#request.headers();
    for (const [name, value] of fields.entries()) headers.append(name, decoder.decode(value));
    fields[Symbol.dispose]();
    return (this.#headers = headers);
  }

  #requireOpen() {
    if (this.#isOver) throw new TypeError('the request is over: read what you need of it before the response ends');
  }

  close() {
    this.#isOver = true;
    this.body?.close();
  }
}

/** The body, read when the app asks for it. It ends where the client ends it; anything else is an error. */
class IncomingBody {
  #request;
  #announced;
  #body;
  #stream;
  #isOver = false;

  constructor(request, announced) {
    this.#request = request;
    this.#announced = announced;
  }

  /** The next piece, or undefined at the end. */
  #read() {
    if (this.#isOver) throw new TypeError('the body is read after its request is over');
    try {
      this.#body ??= this.#request.consume();
      this.#stream ??= this.#body.stream();
      return ownBytes(this.#stream.blockingRead(READ_BYTES));
    } catch (error) {
      if (error?.payload?.tag === 'closed') return undefined;
      throw new TypeError('the request body broke off');
    }
  }

  async bytes() {
    const pieces = [];
    let length = 0;
    for (let piece; (piece = this.#read()); length += piece.length) pieces.push(piece);
    return joinBytes(pieces, length);
  }

  open() {
    const pull = (controller) => {
      try {
        const piece = this.#read();
        if (piece === undefined) controller.close();
        // A stream of bytes has no empty pieces.
        else if (piece.length > 0) controller.enqueue(piece);
        else pull(controller);
      } catch (error) {
        controller.error(error);
      }
    };
    const stream = new ReadableStream({ pull }, { highWaterMark: 0 });
    const length = this.#announced();
    if (length !== null) lengths.set(stream, length);
    return stream;
  }

  close() {
    this.#isOver = true;
    this.#stream?.[Symbol.dispose]();
    this.#body?.[Symbol.dispose]();
    this.#stream = this.#body = undefined;
  }
}

/** Returns head and body of a response, ready to be sent. The body is null, bytes, or a stream. */
async function prepare(response, method) {
  if (!(response instanceof Response)) {
    throw new TypeError(`the fetch handler returned ${describeValue(response)}, which is no Response`);
  }
  if (response.type === 'error') throw new TypeError('the fetch handler returned Response.error()');
  let body = Message.takeSource(response);
  const hasNone = method === 'HEAD' || NO_CONTENT.includes(response.status);
  if (typeof body === 'string') body = encoder.encode(body);
  else if (body instanceof Blob) body = new Uint8Array(await body.arrayBuffer());
  else if (body !== null && !hasNone && typeof body.open === 'function') body = body.open();
  const headers = [];
  for (const [name, value] of response.headers) {
    if (HOP_BY_HOP.has(name)) continue;
    if (name === 'content-length' && !hasNone && value !== lengthOf(body)) continue;
    headers.push([name, encoder.encode(value)]);
  }
  if (method === 'HEAD' && body instanceof Uint8Array && !response.headers.has('content-length')) {
    headers.push(['content-length', encoder.encode(String(body.length))]);
  }
  const head = new OutgoingResponse(Fields.fromList(headers));
  head.setStatusCode(response.status);
  if (hasNone && body instanceof ReadableStream) body.cancel().catch(() => {});
  return { head, body: hasNone ? null : body };
}

function describeValue(value) {
  if (value === undefined) return 'nothing';
  return typeof value === 'object' && value !== null ? `a ${value.constructor?.name ?? 'plain object'}` : String(value);
}

/** The known length of a body. With another announced length, the response would be cut off or would hang. */
function lengthOf(body) {
  if (body === null) return '0';
  return body instanceof Uint8Array ? String(body.length) : lengths.get(body);
}

/** Sends a response. A body that fails is dropped unfinished: the host then breaks the response off. */
async function send({ head, body }, responseOut, where) {
  const outgoing = head.body();
  ResponseOutparam.set(responseOut, { tag: 'ok', val: head });
  let stream = outgoing.write();
  let isWhole = true;
  try {
    if (body instanceof Uint8Array) write(stream, body);
    else if (body !== null) await pump(body, stream);
  } catch (error) {
    isWhole = false;
    // A client that has disconnected is not an error of the app.
    if (error?.payload === undefined) report(error, `${where()} broke off in the body of its response`);
  }
  stream[Symbol.dispose]();
  stream = undefined;
  if (isWhole) OutgoingBody.finish(outgoing, undefined);
  else outgoing[Symbol.dispose]();
}

async function pump(body, stream) {
  const reader = body.getReader();
  try {
    for (let part; !(part = await reader.read()).done; ) write(stream, toBytes(part.value));
  } catch (error) {
    reader.cancel(error).catch(() => {});
    throw error;
  }
}

/** Waits for space in the output buffer, so that a slow client slows the app down. */
function write(stream, bytes) {
  for (let at = 0; at < bytes.length; ) {
    const room = Number(stream.checkWrite());
    if (room === 0) {
      const more = stream.subscribe();
      more.block();
      more[Symbol.dispose]();
      continue;
    }
    stream.write(bytes.subarray(at, at + room));
    at += room;
  }
}
