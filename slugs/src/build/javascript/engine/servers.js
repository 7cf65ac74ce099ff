// Servers that an app starts by itself: `Deno.serve`, `Bun.serve`, `serve` of `@hono/node-server`, and servers of
// `node:http`. The router listens instead of them; their handler becomes the app's handler.

/** The handler of the server that was started last: a function of (request, env, context) that returns a Response. */
let served;

export function servedHandler() {
  return served;
}

/** The server of `node:http` that answers: `{ answerByNode(incoming, responseOut, later) }`. */
let nodeServer;
let isOnPort = false;
let announceServer;
let announceFailure;
const serverIsSet = new Promise((resolve, reject) => {
  announceServer = resolve;
  announceFailure = reject;
});
// Without a program that waits for its server, a failure is not worth a word.
serverIsSet.catch(() => {});

/** Sets the server of `node:http` that answers: the server on PORT, else the last server that listens. */
export function setServer(server, listensOnPort) {
  if (isOnPort && !listensOnPort) return;
  nodeServer = server;
  isOnPort = listensOnPort;
  announceServer();
}

/** Says that the program failed. Before its server listens, the app is not up then. */
export function failServer(error) {
  announceFailure(error);
}

/** Waits until a server of `node:http` listens, at most for this time. Returns the server, or undefined. */
export async function waitForServer(milliseconds) {
  let timer;
  const isLate = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  try {
    await Promise.race([serverIsSet, isLate]);
  } finally {
    clearTimeout(timer);
  }
  return nodeServer;
}

function address() {
  const port = Number(globalThis.process.env.PORT) || 80;
  return { address: '0.0.0.0', hostname: '0.0.0.0', family: 'IPv4', transport: 'tcp', port };
}

/** The client's address, according to the router. */
export function remoteAddress(request) {
  const [first] = (request.headers.get('x-forwarded-for') ?? '').split(',');
  return first.trim() || '127.0.0.1';
}

/** `Deno.serve(handler)`, `Deno.serve(options, handler)`, `Deno.serve({ handler })`. */
function denoServe(first, second) {
  const options = typeof first === 'function' ? (second ?? {}) : (first ?? {});
  const handler = [first, second, options.handler, options.fetch].find((value) => typeof value === 'function');
  if (!handler) throw new TypeError('Deno.serve: there is no handler among its arguments');
  served = async (request) => {
    const remoteAddr = { transport: 'tcp', hostname: remoteAddress(request), port: 0 };
    try {
      return await handler(request, { remoteAddr, completed: Promise.resolve() });
    } catch (error) {
      if (!options.onError) throw error;
      return options.onError(error);
    }
  };
  options.onListen?.(address());
  const idle = new Promise(() => {});
  return { addr: address(), finished: idle, shutdown: async () => {}, ref() {}, unref() {} };
}

export const deno = {
  serve: denoServe,
  env: {
    get: (name) => globalThis.process.env[name],
    has: (name) => name in globalThis.process.env,
    set: (name, value) => void (globalThis.process.env[name] = String(value)),
    delete: (name) => void delete globalThis.process.env[name],
    toObject: () => ({ ...globalThis.process.env }),
  },
};

/** `Bun.serve({ fetch, routes, error })`. */
function bunServe(options) {
  const routes = Object.entries(options.routes ?? {}).map(([path, route]) => [compilePath(path), route]);
  const server = {
    ...address(),
    url: new URL(`http://localhost:${address().port}/`),
    requestIP: (request) => ({ address: remoteAddress(request), family: 'IPv4', port: 0 }),
    stop: async () => {},
    reload: (changed) => void bunServe({ ...options, ...changed }),
    upgrade: () => {
      throw new Error('a WebSocket needs a server dyno: a JavaScript dyno answers requests only');
    },
    timeout() {},
    ref() {},
    unref() {},
  };
  if (!options.fetch && routes.length === 0) throw new TypeError('Bun.serve: there is neither `fetch` nor `routes`');
  served = async (request) => {
    try {
      const route = routes.length > 0 ? routeOf(routes, request) : undefined;
      if (route) return await route(request, server);
      if (options.fetch) return await options.fetch.call(server, request, server);
      return new Response('Not Found', { status: 404 });
    } catch (error) {
      if (!options.error) throw error;
      return options.error.call(server, error);
    }
  };
  return server;
}

/** A path with `:name` parts and a last `*`, as an expression with the names. */
function compilePath(path) {
  const escape = (text) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
  const source = path.split('/').map((part) => {
    if (part === '*') return '.*';
    return part.startsWith(':') ? `(?<${part.slice(1)}>[^/]+)` : escape(part);
  });
  return new RegExp(`^${source.join('/')}$`);
}

/** Exact paths first, then those with names, then those with `*`, as Bun does. */
function routeOf(routes, request) {
  const { pathname } = new URL(request.url);
  const rank = ([{ source }]) => (source.includes('.*') ? 2 : source.includes('(?<') ? 1 : 0);
  const sorted = routes.toSorted((one, other) => rank(one) - rank(other));
  for (const [expression, route] of sorted) {
    const match = expression.exec(pathname);
    if (!match) continue;
    const found = typeof route === 'function' || route instanceof Response ? route : route[request.method];
    if (found === undefined) continue;
    if (found instanceof Response) return () => found.clone();
    const params = {};
    for (const [name, value] of Object.entries(match.groups ?? {})) params[name] = decodeURIComponent(value);
    Object.defineProperty(request, 'params', { configurable: true, value: params });
    return found;
  }
  return undefined;
}

export const bun = {
  serve: bunServe,
  get env() {
    return globalThis.process.env;
  },
};

/** `serve(options, listening)` of `@hono/node-server`: an app, or an object with `fetch`. */
export function nodeServe(options, listening) {
  const handler = typeof options === 'function' ? options : options.fetch;
  if (typeof handler !== 'function') throw new TypeError('serve: there is no `fetch` in its options');
  served = (request, env, context) => handler.call(options, request, env, context);
  const server = {
    address,
    listening: true,
    listen(...values) {
      values.find((value) => typeof value === 'function')?.();
      return server;
    },
    close(done) {
      done?.();
      return server;
    },
    on: () => server,
    once: () => server,
    off: () => server,
    ref: () => server,
    unref: () => server,
    closeAllConnections() {},
  };
  listening?.(address());
  return server;
}
