// The component of every JavaScript app: it answers `wasi:http` by the fetch handler of the bundle `.dyno/app.js`,
// which it reads from the app's files at the first request. So an app's own code is never part of a build with the
// engine, it sees its config vars from the first line on, and compiled code is the same for all apps.

import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam } from 'wasi:http/types@0.2.10';
import { getEnvironment } from 'wasi:cli/environment@0.2.10';
import { getDirectories } from 'wasi:filesystem/preopens@0.2.10';

/** The bundle's place in the slug. */
const BUNDLE = '.dyno/app.js';
/** How much is read of a file or a body at once. */
const READ_BYTES = 64n * 1024n;

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const AsyncFunction = (async () => {}).constructor;

let load;

export const incomingHandler = {
  async handle(request, responseOut) {
    // An app that cannot be loaded is a crash: the error is logged, and the dyno ends.
    load ??= loadApp();
    let answer;
    try {
      answer = await load;
    } catch (error) {
      console.error(`the app cannot be loaded: ${told(error)}`);
      throw error;
    }
    const later = [];
    const body = new RequestBody(request);
    const isHead = request.method().tag === 'head';
    let response;
    try {
      response = await answer(toRequest(request, body), later);
      if (!(response instanceof Response)) {
        throw new TypeError(`the fetch handler returned ${response}, which is no Response`);
      }
    } catch (error) {
      console.error(told(error));
      response = new Response('Internal Server Error\n', { status: 500 });
    }
    await send(response, responseOut, isHead);
    await Promise.allSettled(later);
    // The host counts handles, and the engine may never collect what is not closed.
    body.close();
    request[Symbol.dispose]();
  },
};

function told(error) {
  return error?.stack ? `${error}\n${error.stack}` : String(error);
}

/** Runs the bundle; gives a function from a Request, and a list for `waitUntil`, to a Response. */
async function loadApp() {
  const environment = Object.fromEntries(getEnvironment());
  globalThis.process ??= {};
  Object.assign(globalThis.process, {
    env: environment,
    argv: [],
    cwd: () => '/',
    nextTick: (run, ...values) => queueMicrotask(() => run(...values)),
  });
  globalThis.global ??= globalThis;
  const listeners = listen();
  const exported = await new AsyncFunction(`${readText(BUNDLE)}\n//# sourceURL=${BUNDLE}`)();
  const app = exported.default;
  if (typeof app?.fetch === 'function') {
    return (request, later) => app.fetch(request, environment, context(later));
  }
  if (typeof app === 'function') {
    return (request, later) => app(request, environment, context(later));
  }
  if (listeners.length > 0) {
    return (request, later) => dispatch(listeners, request, later);
  }
  throw new Error(
    'there is no fetch handler: `export default { fetch(request) { … } }`, a Hono app as the default export, ' +
      "or `addEventListener('fetch', …)`",
  );
}

function context(later) {
  return { waitUntil: (promise) => void later.push(promise), passThroughOnException() {} };
}

/** Listeners of `fetch` are ours; others are the engine's. */
function listen() {
  const listeners = [];
  const own = globalThis.addEventListener;
  globalThis.addEventListener = (type, listener, ...rest) => {
    if (type === 'fetch') listeners.push(listener);
    else own.call(globalThis, type, listener, ...rest);
  };
  return listeners;
}

async function dispatch(listeners, request, later) {
  let answer;
  const event = {
    type: 'fetch',
    request,
    respondWith(response) {
      answer ??= Promise.resolve(response);
    },
    waitUntil: (promise) => void later.push(promise),
  };
  for (const listener of listeners) {
    if (typeof listener === 'function') listener.call(globalThis, event);
    else listener.handleEvent(event);
    if (answer) return answer;
  }
  throw new Error('no listener of `fetch` called respondWith()');
}

function readText(path) {
  const [root] = getDirectories().find(([, name]) => name === '/') ?? [];
  if (!root) throw new Error('the app has no files');
  const file = root.openAt({}, path, {}, { read: true });
  const parts = [];
  for (let at = 0n; ; ) {
    const [bytes, isEnd] = file.read(READ_BYTES * 16n, at);
    parts.push(decoder.decode(bytes, { stream: true }));
    at += BigInt(bytes.length);
    if (isEnd || bytes.length === 0) return parts.join('') + decoder.decode();
  }
}

function toRequest(incoming, body) {
  const headers = new Headers();
  const fields = incoming.headers();
  for (const [name, value] of fields.entries()) headers.append(name, decoder.decode(value));
  fields[Symbol.dispose]();
  const method = named(incoming.method()).toUpperCase();
  const scheme = headers.get('x-forwarded-proto') ?? 'http';
  const host = incoming.authority() ?? headers.get('host') ?? 'localhost';
  const url = `${scheme}://${host}${incoming.pathWithQuery() ?? '/'}`;
  const hasBody = method !== 'GET' && method !== 'HEAD';
  return new Request(url, { method, headers, ...(hasBody && { body: body.open(), duplex: 'half' }) });
}

function named({ tag, val }) {
  return tag === 'other' ? val : tag;
}

/** The body, read when the app asks for it. The other side's end of it is the end; anything else is an error. */
class RequestBody {
  #incoming;
  #body;
  #stream;

  constructor(incoming) {
    this.#incoming = incoming;
  }

  open() {
    this.#body = this.#incoming.consume();
    this.#stream = this.#body.stream();
    return new ReadableStream({ pull: (controller) => this.#pull(controller) });
  }

  #pull(controller) {
    try {
      if (!this.#stream) throw new Error('it is read after the request');
      controller.enqueue(this.#stream.blockingRead(READ_BYTES));
    } catch (error) {
      if (error?.payload?.tag === 'closed') controller.close();
      else controller.error(new TypeError('the request body broke off'));
    }
  }

  close() {
    this.#stream?.[Symbol.dispose]();
    this.#stream = undefined;
    this.#body?.[Symbol.dispose]();
    this.#body = undefined;
  }
}

async function send(response, responseOut, isHead) {
  // The host holds a body to the length that its head names, and the answer to HEAD has none.
  if (isHead) response.headers.delete('content-length');
  const headers = [...response.headers].map(([name, value]) => [name, encoder.encode(value)]);
  const outgoing = new OutgoingResponse(Fields.fromList(headers));
  outgoing.setStatusCode(response.status);
  const body = outgoing.body();
  ResponseOutparam.set(responseOut, { tag: 'ok', val: outgoing });
  const stream = body.write();
  const reader = isHead ? undefined : response.body?.getReader();
  for (let part; reader && !(part = await reader.read()).done; ) {
    write(stream, typeof part.value === 'string' ? encoder.encode(part.value) : part.value);
  }
  stream[Symbol.dispose]();
  OutgoingBody.finish(body, undefined);
}

/** Waits for room, so that a slow client slows the app down. */
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
