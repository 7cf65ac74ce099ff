// `node:async_hooks`: the store of the current request. The engine has no hook for promises that go on, so a store cannot
// follow several chains of promises. A dyno answers one request at a time, so the request's chain is the only one.

/** Stores that are to be forgotten when their request is over. */
const entered = new Set();

/** Forgets the stores that `enterWith` set for a request. */
export function forgetStores() {
  for (const storage of entered) storage.disable();
}

export class AsyncLocalStorage {
  #store;

  static bind(run) {
    return AsyncResource.bind(run);
  }

  static snapshot() {
    return (run, ...values) => run(...values);
  }

  getStore() {
    return this.#store;
  }

  enterWith(store) {
    this.#store = store;
    entered.add(this);
  }

  disable() {
    this.#store = undefined;
    entered.delete(this);
  }

  /** Calls a function with a store. The outermost store of a request stays until the request is over, since its work does. */
  run(store, run, ...values) {
    const before = this.#store;
    this.#store = store;
    const isOutermost = before === undefined && store !== undefined;
    if (isOutermost) entered.add(this);
    const restore = () => {
      if (!isOutermost && this.#store === store) this.#store = before;
    };
    let result;
    try {
      result = run(...values);
    } catch (error) {
      restore();
      throw error;
    }
    if (typeof result?.then === 'function') result.then(restore, restore);
    else restore();
    return result;
  }

  exit(run, ...values) {
    return this.run(undefined, run, ...values);
  }
}

export class AsyncResource {
  constructor(type) {
    this.type = type;
  }

  static bind(run, _, thisValue) {
    return thisValue === undefined ? run : run.bind(thisValue);
  }

  bind(run, thisValue = this) {
    return run.bind(thisValue);
  }

  runInAsyncScope(run, thisValue, ...values) {
    return run.apply(thisValue, values);
  }

  emitDestroy() {
    return this;
  }

  asyncId() {
    return 1;
  }

  triggerAsyncId() {
    return 0;
  }
}

const hook = { enable: () => hook, disable: () => hook };

export default {
  AsyncLocalStorage,
  AsyncResource,
  createHook: () => hook,
  executionAsyncId: () => 1,
  executionAsyncResource: () => ({}),
  triggerAsyncId: () => 0,
};
