// Work that nobody waits for: an error in it is logged, and the instance goes on. The engine itself would end, or say
// nothing.

import { describe } from './errors.js';

/** Logs what was thrown, with where it happened first. */
export function report(error, where) {
  const text = describe(error);
  if (text === undefined) console.error(`${where}: a value that is no Error was thrown:`, error);
  else console.error(`${where}: ${text}`);
}

/** Logs the rejection of a promise that is a statement of its own; gives the value back. */
export function watch(value) {
  if (value instanceof Promise) value.then(undefined, reportRejection);
  return value;
}

function reportRejection(error) {
  if (!dispatchError('unhandledrejection', error)) report(error, 'Unhandled rejection');
}

/** Listeners of the whole app for `error` and `unhandledrejection`; true if one prevented the report. */
const listeners = { error: [], unhandledrejection: [] };

export function listenForErrors(type, listener) {
  listeners[type].push(listener);
}

function dispatchError(type, error) {
  let isPrevented = false;
  const event = { type, error, reason: error, message: String(error?.message ?? error) };
  event.preventDefault = () => void (isPrevented = true);
  for (const listener of listeners[type]) {
    try {
      if (typeof listener === 'function') listener.call(globalThis, event);
      else listener.handleEvent(event);
    } catch (inner) {
      report(inner, `Uncaught in a listener of ${type}`);
    }
  }
  return isPrevented;
}

/** `reportError` of the HTML Standard. */
export function reportError(error) {
  if (!dispatchError('error', error)) report(error, 'Uncaught');
}

function guard(run) {
  return (...values) => {
    try {
      watch(run(...values));
    } catch (error) {
      reportError(error);
    }
  };
}

for (const name of ['setTimeout', 'setInterval', 'queueMicrotask']) {
  const native = globalThis[name].bind(globalThis);
  const replaced = {
    [name](run, ...rest) {
      if (typeof run !== 'function') throw new TypeError(`${name}: ${String(run)} is no function`);
      return native(guard(run), ...rest);
    },
  };
  globalThis[name] = replaced[name];
}

globalThis.reportError = reportError;
globalThis.setImmediate = (run, ...values) => setTimeout(run, 0, ...values);
globalThis.clearImmediate = (id) => clearTimeout(id);
