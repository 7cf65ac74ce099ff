// `process` for packages inside of the component, which are in memory before an app has its own.

export const process = {
  browser: true,
  cwd: () => '/',
  env: {},
  nextTick: (run, ...values) => globalThis.queueMicrotask(() => run(...values)),
  version: '',
  versions: {},
};

export default process;
