// `node:timers`: the globals.

const sleep = (milliseconds, value, { signal } = {}) =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(() => resolve(value), milliseconds);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

async function* setIntervalIterator(milliseconds, value) {
  for (;;) yield sleep(milliseconds, value);
}

/** `node:timers/promises`. */
export const promises = {
  setTimeout: sleep,
  setImmediate: (value, options) => sleep(0, value, options),
  setInterval: setIntervalIterator,
  scheduler: { wait: (milliseconds, options) => sleep(milliseconds, undefined, options), yield: () => sleep(0) },
};

export default {
  clearImmediate: (timer) => globalThis.clearImmediate(timer),
  clearInterval: (timer) => globalThis.clearInterval(timer),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
  setImmediate: (...values) => globalThis.setImmediate(...values),
  setInterval: (...values) => globalThis.setInterval(...values),
  setTimeout: (...values) => globalThis.setTimeout(...values),
  promises,
};
