// Promises that nobody awaits: their errors are logged, and the instance continues. The engine itself would end, or log
// nothing.

import { describe } from './errors.js';

/** Logs a thrown value, after a text that says where it happened. */
export function report(error, where) {
  const text = describe(error);
  if (text === undefined) console.error(`${where}: a value that is no Error was thrown:`, error);
  else console.error(`${where}: ${text}`);
}

/** Logs the rejection of a promise that is a statement by itself. Returns the value. */
export function watch(value) {
  if (value instanceof Promise) value.then(undefined, reportRejection);
  return value;
}

function reportRejection(error) {
  if (!dispatchError('unhandledrejection', error)) reportUncaught(error, 'Unhandled rejection');
}

let answerUncaught = () => {};

/** Sets the function that is called with each unhandled error, after its report. */
export function onUncaughtError(run) {
  answerUncaught = run;
}

function reportUncaught(error, where) {
  report(error, where);
  answerUncaught(error);
}

/** Calls the app's listeners for `error` and `unhandledrejection`. Returns true if one prevented the report. */
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
  if (!dispatchError('error', error)) reportUncaught(error, 'Uncaught');
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
