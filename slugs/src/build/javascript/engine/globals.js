// The globals that runtimes with fetch handlers have in common (WinterTC, "Minimum common web platform API"), each added
// only if the engine lacks it.

import 'urlpattern-polyfill';
import unormSource from 'text:unorm/lib/unorm.js';

function define(target, name, value) {
  if (!(name in target)) Object.defineProperty(target, name, { configurable: true, writable: true, value });
}

// The engine's own version requires a reason.
const abort = AbortSignal.abort.bind(AbortSignal);
AbortSignal.abort = (reason = new DOMException('This operation was aborted', 'AbortError')) => abort(reason);

// The engine's own version ends the instance instead of throwing.
AbortSignal.prototype.throwIfAborted = function throwIfAborted() {
  if (this.aborted) throw this.reason;
};

let unorm;

/** The package's tables take 4 MB of memory. They are made on first use, and most apps never use them. */
function loadUnorm() {
  const module = { exports: {} };
  new Function('module', 'exports', unormSource)(module, module.exports);
  return module.exports;
}

define(String.prototype, 'normalize', function normalize(form = 'NFC') {
  if (!['NFC', 'NFD', 'NFKC', 'NFKD'].includes(form)) throw new RangeError(`${form} is no normalization form: NFC, NFD, NFKC or NFKD`);
  const text = String(this);
  // Nothing below U+0300 changes under NFC, and nothing of ASCII under any form.
  return (form === 'NFC' ? /^[\0-\u02ff]*$/ : /^[\0-\x7f]*$/).test(text) 
    ? text
    : (unorm ??= loadUnorm())[form.toLowerCase()](text);
});

define(URL, 'parse', (url, base) => {
  try {
    return new URL(url, base);
  } catch {
    return null;
  }
});
define(URL, 'canParse', (url, base) => URL.parse(url, base) !== null);

define(ReadableStream, 'from', (source) => {
  const iterator = source[Symbol.asyncIterator]?.() ?? source[Symbol.iterator]?.();
  if (!iterator) throw new TypeError('ReadableStream.from: the value is not iterable');
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel(reason) {
        await iterator.return?.(reason);
      },
    },
    { highWaterMark: 0 },
  );
});

async function* iterate(stream, preventCancel) {
  const reader = stream.getReader();
  try {
    for (let part; !(part = await reader.read()).done; ) yield part.value;
  } finally {
    if (!preventCancel) await reader.cancel();
    reader.releaseLock();
  }
}
define(ReadableStream.prototype, 'values', function values({ preventCancel = false } = {}) {
  return iterate(this, preventCancel);
});
define(ReadableStream.prototype, Symbol.asyncIterator, function values(options) {
  return this.values(options);
});

class TextDecoderStream {
  constructor(label, options) {
    const decoder = new TextDecoder(label, options);
    const { readable, writable } = new TransformStream({
      transform(bytes, controller) {
        const text = decoder.decode(bytes, { stream: true });
        if (text) controller.enqueue(text);
      },
      flush(controller) {
        const text = decoder.decode();
        if (text) controller.enqueue(text);
      },
    });
    const { encoding, fatal, ignoreBOM } = decoder;
    Object.assign(this, { readable, writable, encoding, fatal, ignoreBOM });
  }
}

class TextEncoderStream {
  constructor() {
    const encoder = new TextEncoder();
    let high = '';
    const { readable, writable } = new TransformStream({
      transform(piece, controller) {
        // A character may be cut in two between pieces.
        const text = high + String(piece);
        high = /[\ud800-\udbff]$/.test(text) ? text.slice(-1) : '';
        const whole = high ? text.slice(0, -1) : text;
        if (whole) controller.enqueue(encoder.encode(whole));
      },
      flush(controller) {
        if (high) controller.enqueue(encoder.encode(high));
      },
    });
    Object.assign(this, { readable, writable, encoding: 'utf-8' });
  }
}

class MessageEvent extends Event {
  constructor(type, { data = null, origin = '', lastEventId = '', source = null, ports = [], ...rest } = {}) {
    super(type, rest);
    Object.assign(this, { data, origin, lastEventId, source, ports });
  }
}

class ErrorEvent extends Event {
  constructor(type, { message = '', filename = '', lineno = 0, colno = 0, error, ...rest } = {}) {
    super(type, rest);
    Object.assign(this, { message, filename, lineno, colno, error });
  }
}

class PromiseRejectionEvent extends Event {
  constructor(type, { promise, reason, ...rest } = {}) {
    super(type, rest);
    Object.assign(this, { promise, reason });
  }
}

/** One side of a MessageChannel. A message arrives in a later task, as a copy. */
class MessagePort extends EventTarget {
  #other;
  #isOpen = true;
  onmessage = null;

  static connect(one, other) {
    one.#other = other;
    other.#other = one;
  }

  postMessage(value) {
    const data = structuredClone(value);
    setTimeout(() => this.#isOpen && this.#other.#receive(data), 0);
  }

  #receive(data) {
    if (!this.#isOpen) return;
    const event = new MessageEvent('message', { data });
    this.onmessage?.(event);
    this.dispatchEvent(event);
  }

  start() {}

  close() {
    this.#isOpen = false;
  }
}

class MessageChannel {
  constructor() {
    this.port1 = new MessagePort();
    this.port2 = new MessagePort();
    MessagePort.connect(this.port1, this.port2);
  }
}

const channels = new Map();

/** Reaches only listeners in the same dyno: dynos share nothing. */
class BroadcastChannel extends EventTarget {
  onmessage = null;

  constructor(name) {
    super();
    this.name = String(name);
    if (!channels.has(this.name)) channels.set(this.name, new Set());
    channels.get(this.name).add(this);
  }

  postMessage(value) {
    const data = structuredClone(value);
    for (const channel of channels.get(this.name) ?? []) {
      if (channel === this) continue;
      setTimeout(() => {
        const event = new MessageEvent('message', { data });
        channel.onmessage?.(event);
        channel.dispatchEvent(event);
      }, 0);
    }
  }

  close() {
    channels.get(this.name)?.delete(this);
  }
}

class Navigator {
  get userAgent() {
    return 'dyno';
  }

  get hardwareConcurrency() {
    return 1;
  }

  get language() {
    return 'en-US';
  }

  get languages() {
    return ['en-US'];
  }
}

const classes = {
  BroadcastChannel,
  ErrorEvent,
  MessageChannel,
  MessageEvent,
  MessagePort,
  PromiseRejectionEvent,
  TextDecoderStream,
  TextEncoderStream,
};
for (const [name, value] of Object.entries(classes)) define(globalThis, name, value);
define(globalThis, 'navigator', new Navigator());
define(globalThis, 'global', globalThis);
