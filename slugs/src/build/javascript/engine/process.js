// The part of `process` of Node.js that makes sense in a dyno.

import { listenForErrors } from './tasks.js';

/** Makes `globalThis.process` for an app with these config vars. */
export function defineProcess(environment) {
  const begun = performance.now();
  const noListener = () => globalThis.process;
  globalThis.process = Object.assign(globalThis.process ?? {}, {
    env: environment,
    argv: ['node', '/app.js'],
    execArgv: [],
    pid: 1,
    platform: 'linux',
    arch: 'wasm32',
    title: 'dyno',
    version: '',
    versions: {},
    cwd: () => '/',
    nextTick: (run, ...values) => queueMicrotask(() => run(...values)),
    uptime: () => (performance.now() - begun) / 1000,
    hrtime: Object.assign(hrtime, { bigint: () => BigInt(Math.round(performance.now() * 1e6)) }),
    emitWarning: (warning) => console.warn(String(warning)),
    stdout: lineWriter((line) => console.log('%s', line)),
    stderr: lineWriter((line) => console.error('%s', line)),
    exit(code = 0) {
      throw new Error(`process.exit(${code}): a dyno that serves requests does not exit by itself`);
    },
    on: addProcessListener,
    once: addProcessListener,
    addListener: addProcessListener,
    off: noListener,
    removeListener: noListener,
    removeAllListeners: noListener,
    emit: () => false,
    listenerCount: () => 0,
  });
}

/** Listeners of signals are ignored, since there are none; listeners of unhandled errors are kept. */
function addProcessListener(event, listener) {
  const heard = (passed) => {
    passed.preventDefault();
    listener(passed.error);
  };
  if (event === 'unhandledRejection') listenForErrors('unhandledrejection', heard);
  if (event === 'uncaughtException') listenForErrors('error', heard);
  return globalThis.process;
}

function hrtime(before = [0, 0]) {
  const now = performance.now();
  let [seconds, nanoseconds] = [Math.floor(now / 1000) - before[0], Math.floor((now % 1000) * 1e6) - before[1]];
  if (nanoseconds < 0) [seconds, nanoseconds] = [seconds - 1, nanoseconds + 1e9];
  return [seconds, nanoseconds];
}

function lineWriter(print) {
  let rest = '';
  return {
    isTTY: false,
    write(text) {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) print(line);
      return true;
    },
  };
}
