// Parts of Node.js that a dyno lacks. An import of such a part succeeds, since packages import more than they use; a call of
// its functions fails.

import { ABSENT } from './absent_parts.js';

export function absentError(module, name) {
  const error = new Error(`${module}.${name} of Node.js is absent in a dyno: ${ABSENT[module] ?? 'use what browsers have as well'}`);
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
