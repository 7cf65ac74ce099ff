// Parts of Node.js that a dyno lacks: they can be imported, since packages import more than they use, and fail when they
// are used.

/** Why a part is absent, and what to use instead. */
const REASONS = {
  child_process: 'a dyno starts no processes',
  cluster: 'a dyno is one process: the number of dynos is what scales',
  dgram: 'there are no sockets in this engine: use `fetch`',
  dns: 'there are no sockets in this engine: `fetch` looks names up',
  http2: 'the router speaks HTTP/2 for the app: use `node:http`',
  inspector: 'there is no debugger in a dyno',
  net: 'there are no sockets in this engine: to serve, use `node:http`; to call, use `fetch`',
  repl: 'a dyno has no terminal',
  tls: 'there are no sockets in this engine: to call, use `fetch`',
  vm: 'the engine has one context',
  worker_threads: 'a dyno has one thread: the number of dynos is what scales',
};

export function absentError(module, name) {
  const error = new Error(`${module}.${name} of Node.js is absent in a dyno: ${REASONS[module] ?? 'use what browsers have as well'}`);
  error.code = 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM';
  return error;
}

/** A module with these functions, each of which fails, besides the values that are given. */
export function makeAbsentModule(module, names, values = {}) {
  const made = { ...values };
  for (const name of names) {
    if (name in made || name === 'default') continue;
    made[name] = {
      [name]: function () {
        throw absentError(module, name);
      },
    }[name];
  }
  return made;
}

/** Values of absent modules that packages read without using the module. */
export const ABSENT_VALUES = {
  dns: {
    ADDRCONFIG: 1024,
    V4MAPPED: 2048,
    NODATA: 'ENODATA',
    NOTFOUND: 'ENOTFOUND',
    getDefaultResultOrder: () => 'verbatim',
    getServers: () => [],
    setDefaultResultOrder() {},
    promises: makeAbsentModule('dns', ['Resolver', 'lookup', 'resolve', 'resolve4', 'resolve6', 'resolveMx', 'resolveTxt', 'reverse']),
  },
  cluster: { isMaster: true, isPrimary: true, isWorker: false, workers: {}, settings: {} },
  http2: { constants: {} },
  inspector: { url: () => undefined },
  vm: { constants: {} },
  worker_threads: {
    isMainThread: true,
    parentPort: null,
    resourceLimits: {},
    threadId: 0,
    workerData: null,
    MessageChannel: globalThis.MessageChannel,
    MessagePort: globalThis.MessagePort,
  },
};
