// The app: its bundle is evaluated once, and one of its functions answers requests.

import { getEnvironment } from 'wasi:cli/environment@0.2.10';
import { serveAssets, typeOf } from './assets.js';
import { BUNDLE, setMapReader } from './errors.js';
import { readFile, readText } from './files.js';
import { defineProcess } from './process.js';
import { requireByName, setPackages } from './node/module.js';
import { beginNode, nodeModule } from './node/modules.js';
import { bun, deno, nodeServe, remoteAddress, servedHandler, waitForServer } from './servers.js';
import { listenForErrors, watch } from './tasks.js';

/** The source map of the bundle, and the settings from the app's own files (`wrangler.toml`). */
const MAP = '.dyno/app.js.map';
const SETTINGS = '.dyno/app.json';
/** Longest time that a program of Node.js may take until its server listens. The platform waits 60 s for a boot. */
const LISTEN_MS_MAX = 30_000;
const AsyncFunction = (async () => {}).constructor;
const HELP =
  'there is no fetch handler: `export default { fetch(request) { … } }`, a Hono app as the default export, ' +
  "or `addEventListener('fetch', …)`";

const NOT_LISTENING =
  `the app has not started a server within ${LISTEN_MS_MAX / 1000} seconds: call \`listen(process.env.PORT)\` of its server ` +
  'when the program begins';

setMapReader(() => readText(MAP) ?? '');

/**
 * Runs the bundle. Returns the app: `answerByFetch` takes a Request and a list for `waitUntil`, and returns a Response or a
 * promise of one; `answerByNode` takes the host's request and response.
 */
export async function loadApp() {
  const settings = JSON.parse(readText(SETTINGS) ?? '{}');
  const environment = Object.fromEntries(getEnvironment());
  const isText = ([, value]) => typeof value === 'string';
  defineProcess({ ...Object.fromEntries(Object.entries(settings.vars ?? {}).filter(isText)), ...environment });
  const env = { ...settings.vars, ...environment };
  const assets = settings.assets && serveAssets(settings.assets, environment.SLUG_ID?.replace('sha256:', '').slice(0, 16));
  if (assets) env[settings.assets.binding ?? 'ASSETS'] = { fetch: async (input, init) => fetchAsset(assets, new Request(input, init)) };
  const listeners = listenForFetch();
  const text = readText(BUNDLE);
  if (text === undefined) throw new Error(`the app has no ${BUNDLE}`);
  const tools = { meta: metaOf(), metaOf, watch, deno, bun, env, nodeServe, remoteAddress, readFile, typeOf, assets };
  let isOfNode = false;
  Object.assign(tools, { node: nodeModule, require: requireByName, setPackages });
  tools.beginNode = () => {
    isOfNode = true;
    beginNode();
  };
  const run = new AsyncFunction('$dyno', `${text}\n//# sourceURL=${BUNDLE}`);
  const exported = (await run(tools)) ?? {};
  const server = isOfNode && !hasHandler(exported, listeners) ? await waitForServer(LISTEN_MS_MAX) : undefined;
  if (server) return server;
  if (isOfNode && !hasHandler(exported, listeners)) throw new Error(NOT_LISTENING);
  const answer = findHandler(exported, env, listeners);
  return { answerByFetch: assets ? withAssets(answer, assets, settings.assets) : answer };
}

/** Whether a program of Node.js answers by a fetch handler after all. */
function hasHandler(exported, listeners) {
  const holders = [exported.default, exported.default?.default, exported];
  return listeners.length > 0 || servedHandler() !== undefined || holders.some((value) => typeof value?.fetch === 'function');
}

/** `import.meta` of a source, by default of the whole bundle. `env` has the members that Vite defines. */
function metaOf(path = `/${BUNDLE}`) {
  const shown = Object.entries(globalThis.process.env).filter(([name]) => name.startsWith('VITE_'));
  const env = { MODE: 'production', BASE_URL: '/', PROD: true, DEV: false, SSR: true, ...Object.fromEntries(shown) };
  const url = `file://${path}`;
  const dirname = path.slice(0, path.lastIndexOf('/')) || '/';
  return { url, filename: path, dirname, main: true, env, resolve: (name) => new URL(name, url).href };
}

function findHandler(exported, env, listeners) {
  const app = exported.default;
  const holder = [app, app?.default, exported].find((value) => typeof value?.fetch === 'function');
  if (holder) return (request, later) => holder.fetch(request, env, context(later));
  if (typeof app?.prototype?.fetch === 'function') {
    // A class like `WorkerEntrypoint`: one object for each request.
    return (request, later) => new app(context(later), env).fetch(request);
  }
  const served = servedHandler();
  if (served) return (request, later) => served(request, env, context(later));
  if (typeof app === 'function') return (request, later) => app(request, env, context(later));
  if (listeners.length > 0) return (request, later) => dispatch(listeners, request, later);
  throw new Error(app === undefined ? HELP : `the default export is no fetch handler; ${HELP}`);
}

function context(later) {
  return { waitUntil: (promise) => void later.push(promise), passThroughOnException() {}, props: {} };
}

/** Static files are answered before the app is called, unless `run_worker_first` is set. */
function withAssets(answer, assets, { runWorkerFirst = false }) {
  return async (request, later) => {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const file = isRead && !runWorkerFirst ? assets(request) : undefined;
    return file ?? answer(request, later);
  };
}

async function fetchAsset(assets, request) {
  return assets(request) ?? new Response('Not Found\n', { status: 404 });
}

/** Listeners of `fetch` and of errors are handled here; all others by the engine. */
function listenForFetch() {
  const listeners = [];
  const native = globalThis.addEventListener;
  globalThis.addEventListener = (type, listener, ...rest) => {
    if (type === 'fetch') listeners.push(listener);
    else if (type === 'error' || type === 'unhandledrejection') listenForErrors(type, listener);
    else native.call(globalThis, type, listener, ...rest);
  };
  return listeners;
}

async function dispatch(listeners, request, later) {
  let answer;
  const event = {
    type: 'fetch',
    request,
    respondWith(response) {
      if (answer) throw new TypeError('respondWith() was called already');
      answer = Promise.resolve(response);
    },
    waitUntil: (promise) => void later.push(promise),
    passThroughOnException() {},
  };
  for (const listener of listeners) {
    if (typeof listener === 'function') watch(listener.call(globalThis, event));
    else watch(listener.handleEvent(event));
    if (answer) return answer;
  }
  throw new Error('no listener of `fetch` called respondWith()');
}
