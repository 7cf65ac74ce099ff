// The component of every JavaScript app: it answers `wasi:http` with the fetch handler of the bundle `.dyno/app.js`,
// which it reads from the app's files when the dyno boots. The app's own code is therefore never compiled with the
// engine, it sees its config vars from its first line on, and all apps share the same compiled code.

import './engine/console.js';
import './engine/globals.js';
import './engine/locale.js';
import './engine/web.js';
import './engine/crypto/subtle.js';
import { loadApp } from './engine/app.js';
import { Message, encoder, lengths, toBytes } from './engine/body.js';
import { summarize } from './engine/errors.js';
import { IncomingRequest } from './engine/incoming.js';
import { OutgoingStream, describeUnfinished, isClientGone } from './engine/outgoing.js';
import { report } from './engine/tasks.js';
import { NO_CONTENT } from './engine/web.js';

/** Longest time for `waitUntil`. The platform ends a dyno 30 s after its response; this is less. */
const LATER_MS_MAX = 25_000;
/** Headers of one connection (RFC 9110 7.6.1). An app that passes a fetched response on may set them. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'te']);

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
    const app = await ready();
    const later = [];
    const incoming = new IncomingRequest(request);
    if (app.answerByNode) await app.answerByNode(incoming, responseOut, later);
    else await answerByFetch(app, incoming, responseOut, later);
    await finishLater(later);
    // The host limits handles, and the engine may never collect one that is not closed.
    incoming.close();
    request[Symbol.dispose]();
  },
};

async function answerByFetch(app, incoming, responseOut, later) {
  const where = () => `${incoming.method} ${incoming.path()}`;
  let outgoing;
  try {
    outgoing = await prepare(await app.answerByFetch(Request.fromIncoming(incoming), later), incoming.method);
  } catch (error) {
    report(error, `${where()} failed`);
    outgoing = await prepare(new Response('Internal Server Error\n', { status: 500 }), incoming.method);
  }
  await send(outgoing, responseOut, where);
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

/** Returns status, headers and body of a response, ready to be sent. The body is null, bytes, or a stream. */
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
  if (hasNone && body instanceof ReadableStream) body.cancel().catch(() => {});
  return { status: response.status, headers, body: hasNone ? null : body };
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
async function send({ status, headers, body }, responseOut, where) {
  const outgoing = new OutgoingStream(responseOut, status, headers);
  try {
    if (body instanceof Uint8Array) outgoing.write(body);
    else if (body !== null) await pump(body, outgoing);
  } catch (error) {
    if (!isClientGone(error)) report(error, `${where()} broke off in the body of its response`);
    outgoing.abort();
    return;
  }
  try {
    outgoing.finish();
  } catch (error) {
    console.error(`${where()} broke off: ${describeUnfinished(error)}`);
  }
}

async function pump(body, outgoing) {
  const reader = body.getReader();
  try {
    for (let part; !(part = await reader.read()).done; ) outgoing.write(toBytes(part.value));
  } catch (error) {
    reader.cancel(error).catch(() => {});
    throw error;
  }
}
