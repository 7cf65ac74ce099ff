// `node:diagnostics_channel`: messages between the parts of a program.

const channels = new Map();

export class Channel {
  #subscribers = [];
  #stores = new Map();

  constructor(name) {
    this.name = name;
  }

  get hasSubscribers() {
    return this.#subscribers.length > 0 || this.#stores.size > 0;
  }

  subscribe(run) {
    this.#subscribers = [...this.#subscribers, run];
  }

  unsubscribe(run) {
    const before = this.#subscribers.length;
    this.#subscribers = this.#subscribers.filter((other) => other !== run);
    return this.#subscribers.length < before;
  }

  publish(message) {
    for (const run of this.#subscribers) run(message, this.name);
  }

  bindStore(store, transform = (message) => message) {
    this.#stores.set(store, transform);
  }

  unbindStore(store) {
    return this.#stores.delete(store);
  }

  runStores(message, run, thisValue, ...values) {
    let inner = () => {
      this.publish(message);
      return run.apply(thisValue, values);
    };
    for (const [store, transform] of this.#stores) {
      const next = inner;
      inner = () => store.run(transform(message), next);
    }
    return inner();
  }
}

function channel(name) {
  if (!channels.has(name)) channels.set(name, new Channel(name));
  return channels.get(name);
}

const EVENTS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'];

class TracingChannel {
  constructor(names) {
    for (const event of EVENTS) this[event] = typeof names === 'string' ? channel(`tracing:${names}:${event}`) : names[event];
  }

  get hasSubscribers() {
    return EVENTS.some((event) => this[event].hasSubscribers);
  }

  subscribe(listeners) {
    for (const event of EVENTS) if (listeners[event]) this[event].subscribe(listeners[event]);
  }

  unsubscribe(listeners) {
    return EVENTS.every((event) => !listeners[event] || this[event].unsubscribe(listeners[event]));
  }

  traceSync(run, context = {}, thisValue, ...values) {
    return this.start.runStores(context, () => {
      try {
        return (context.result = run.apply(thisValue, values));
      } catch (error) {
        this.#fail(context, error);
        throw error;
      } finally {
        this.end.publish(context);
      }
    });
  }

  tracePromise(run, context = {}, thisValue, ...values) {
    const settle = (value) => {
      this.asyncStart.publish(context);
      this.asyncEnd.publish(context);
      return value;
    };
    const promise = this.traceSync(run, context, thisValue, ...values);
    return Promise.resolve(promise).then(settle, (error) => {
      this.#fail(context, error);
      settle();
      throw error;
    });
  }

  traceCallback(run, position = -1, context = {}, thisValue, ...values) {
    const done = values.at(position);
    const traced = (error, ...results) => {
      if (error) this.#fail(context, error);
      this.asyncStart.publish(context);
      try {
        return done.call(this, error, ...results);
      } finally {
        this.asyncEnd.publish(context);
      }
    };
    values.splice(position, 1, traced);
    return this.traceSync(run, context, thisValue, ...values);
  }

  #fail(context, error) {
    context.error = error;
    this.error.publish(context);
  }
}

export default {
  Channel,
  channel,
  hasSubscribers: (name) => channels.get(name)?.hasSubscribers ?? false,
  subscribe: (name, run) => channel(name).subscribe(run),
  tracingChannel: (names) => new TracingChannel(names),
  unsubscribe: (name, run) => channel(name).unsubscribe(run),
};
