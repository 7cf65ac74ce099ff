// `node:events`: the package of this name, with the functions that Node.js has added since.

import EventEmitter from 'events';

/** `events.on`: an asynchronous iterator of the arguments of an event. */
EventEmitter.on ??= function on(emitter, name, { signal } = {}) {
  const [arrived, waiting] = [[], []];
  let failure;
  let isOver = false;
  const settle = (pair, { error, value, done }) => (error ? pair.reject(error) : pair.resolve({ value, done }));
  const deliver = (result) => (waiting.length > 0 ? settle(waiting.shift(), result) : arrived.push(result));
  const onEvent = (...values) => deliver({ value: values, done: false });
  const onError = (error) => {
    failure = error;
    deliver({ error });
  };
  const finish = async () => {
    isOver = true;
    emitter.removeListener(name, onEvent);
    emitter.removeListener('error', onError);
    for (const pair of waiting.splice(0)) settle(pair, { done: true });
    return { value: undefined, done: true };
  };
  emitter.on(name, onEvent);
  if (name !== 'error') emitter.on('error', onError);
  signal?.addEventListener('abort', () => onError(signal.reason));
  return {
    next() {
      return new Promise((resolve, reject) => {
        if (arrived.length > 0) settle({ resolve, reject }, arrived.shift());
        else if (isOver || failure) resolve({ value: undefined, done: true });
        else waiting.push({ resolve, reject });
      });
    },
    return: finish,
    async throw(error) {
      await finish();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
};

EventEmitter.getEventListeners ??= (emitter, name) => emitter.listeners(name);
EventEmitter.getMaxListeners ??= (emitter) => emitter.getMaxListeners();
EventEmitter.setMaxListeners ??= (count, ...emitters) => emitters.forEach((emitter) => emitter.setMaxListeners?.(count));
EventEmitter.addAbortListener ??= (signal, listener) => {
  signal.addEventListener('abort', listener, { once: true });
  return { [Symbol.dispose ?? Symbol.for('Symbol.dispose')]: () => signal.removeEventListener('abort', listener) };
};
EventEmitter.errorMonitor ??= Symbol('events.errorMonitor');
EventEmitter.captureRejectionSymbol ??= Symbol.for('nodejs.rejection');
EventEmitter.captureRejections ??= false;
EventEmitter.EventEmitterAsyncResource ??= class EventEmitterAsyncResource extends EventEmitter {};
EventEmitter.usingDomains = false;

export default EventEmitter;
