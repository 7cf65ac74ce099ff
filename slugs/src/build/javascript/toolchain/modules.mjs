// Resolves imports: parts of Node.js, servers of other runtimes, specifiers of Deno.

import { builtinModules } from 'node:module';
import { packageOf } from './messages.mjs';

/** What to use instead of a part of Node.js. */
const INSTEAD = {
  child_process: 'a dyno starts no processes',
  cluster: 'the number of dynos is what scales: `dyno ps scale web=4`',
  crypto: 'use the global `crypto` (Web Crypto)',
  dns: 'there is no need: `fetch` looks names up',
  fs: "import the file, as in `import text from './file.txt'`, and it becomes part of the bundle",
  'fs/promises': "import the file, as in `import text from './file.txt'`, and it becomes part of the bundle",
  http: 'to serve, export a fetch handler: `export default { fetch(request) { … } }`; to call, use `fetch`',
  http2: 'to serve, export a fetch handler; the router speaks HTTP/2 for it',
  https: 'to serve, export a fetch handler; to call, use `fetch`',
  net: 'there are no sockets in this engine; speak HTTP with `fetch`',
  os: 'a dyno has no machine of its own to ask about',
  perf_hooks: 'use the global `performance`',
  'stream/web': 'ReadableStream and its kin are globals',
  timers: 'timers are globals',
  'timers/promises': 'use `new Promise((done) => setTimeout(done, ms))`',
  tls: 'there are no sockets in this engine; speak HTTPS with `fetch`',
  worker_threads: 'a dyno has one thread; the number of dynos is what scales',
};

/** Parts of Node.js that packages of the same name replace. */
const PACKAGES = {
  assert: 'assert',
  buffer: 'buffer',
  events: 'events',
  path: 'path-browserify',
  punycode: 'punycode',
  querystring: 'querystring-es3',
  stream: 'readable-stream',
  string_decoder: 'string_decoder',
  url: 'the global `URL`, or the package url',
  util: 'util',
};

/** Frameworks that need the HTTP server of Node.js. */
const NODE_SERVERS = ['@hapi/hapi', '@nestjs/core', 'connect', 'express', 'fastify', 'koa', 'micro', 'next', 'polka', 'restify'];

const SERVE_STATIC = `
export function serveStatic(options = {}) {
  const root = (options.root ?? '').replace(/^\\.?\\//, '').replace(/\\/$/, '');
  return async (c, next) => {
    let path = options.path ?? decodeURIComponent(new URL(c.req.url).pathname);
    if (!options.path && options.rewriteRequestPath) path = options.rewriteRequestPath(path, c);
    const parts = path.split('/').filter((part) => part !== '' && part !== '.');
    if (parts.includes('..')) return next();
    const inner = [root, ...parts].filter(Boolean).join('/');
    for (const name of path.endsWith('/') ? [] : [inner, \`\${inner}/\${options.index ?? 'index.html'}\`]) {
      const bytes = $dyno.readFile(name);
      if (!bytes) continue;
      await options.onFound?.(name, c);
      c.header('content-type', options.mimes?.[name.split('.').pop()] ?? $dyno.typeOf(name));
      return c.body(bytes);
    }
    if (path.endsWith('/')) {
      const name = [inner, options.index ?? 'index.html'].filter(Boolean).join('/');
      const bytes = $dyno.readFile(name);
      if (bytes) {
        await options.onFound?.(name, c);
        c.header('content-type', $dyno.typeOf(name));
        return c.body(bytes);
      }
    }
    await options.onNotFound?.(inner, c);
    return next();
  };
}`;
const CONNECTION = `
export const getConnInfo = (c) => ({
  remote: { address: $dyno.remoteAddress(c.req.raw), addressType: 'IPv4', transport: 'tcp' },
});`;
const NO_WEBSOCKET = `
export const upgradeWebSocket = () => {
  throw new Error('a WebSocket needs a server dyno, which JavaScript apps cannot be yet');
};
export const websocket = {};`;

/** Modules whose text is made here, by the names that apps import. */
const VIRTUAL = {
  '@hono/node-server': 'export const serve = $dyno.nodeServe;\nexport const createAdaptorServer = $dyno.nodeServe;',
  '@hono/node-server/conninfo': CONNECTION,
  '@hono/node-server/serve-static': SERVE_STATIC,
  'hono/bun': SERVE_STATIC + CONNECTION + NO_WEBSOCKET,
  'hono/deno': SERVE_STATIC + CONNECTION + NO_WEBSOCKET,
  'cloudflare:workers': `
export const env = $dyno.env;
export class WorkerEntrypoint { constructor(ctx, env) { this.ctx = ctx; this.env = env; } }
export class DurableObject { constructor(ctx, env) { this.ctx = ctx; this.env = env; } }`,
  // The global `process`, for code that imports it.
  process: 'module.exports = globalThis.process; module.exports.default = globalThis.process;',
};

const virtual = {
  name: 'modules of the platform',
  setup(setup) {
    setup.onResolve({ filter: /^(@hono\/node-server|hono\/(bun|deno)$|cloudflare:)/ }, ({ path }) => {
      if (Object.hasOwn(VIRTUAL, path)) return { path, namespace: 'dyno' };
      if (!path.startsWith('cloudflare:')) return undefined;
      return { errors: [{ text: `"${path}" is a part of Cloudflare alone, which a dyno does not have`, detail: { builtin: path } }] };
    });
    setup.onLoad({ filter: /.*/, namespace: 'dyno' }, ({ path }) => ({ contents: VIRTUAL[path], loader: 'js' }));
  },
};

const builtins = {
  name: 'built-ins of Node.js',
  setup(setup) {
    setup.onResolve({ filter: /^(node:|[a-z_0-9]+(\/[a-z]+)?$)/ }, async (asked) => {
      const name = asked.path.replace(/^node:/, '');
      if (asked.pluginData === builtins || !builtinModules.includes(name)) return undefined;
      if (name === 'process') return { path: 'process', namespace: 'dyno' };
      const options = { kind: asked.kind, resolveDir: asked.resolveDir, importer: asked.importer };
      // A trailing slash means the package, and not the built-in module of the same name.
      for (const installed of [`${name}/`, PACKAGES[name]].filter(Boolean)) {
        const found = await setup.resolve(installed, { ...options, pluginData: builtins });
        if (found.errors.length === 0) return found;
      }
      return { errors: [{ text: missing(name), detail: { builtin: name } }] };
    });
  },
};

function missing(name) {
  const what = `"${name}" is a part of Node.js, which a dyno is not`;
  if (INSTEAD[name]) return `${what}: ${INSTEAD[name]}`;
  if (PACKAGES[name]) return `${what}: \`npm install ${PACKAGES[name]}\` brings a replacement`;
  return `${what}: use what browsers have as well, or a package that does`;
}

const frameworks = {
  name: 'servers of Node.js',
  setup(setup) {
    const names = NODE_SERVERS.map((name) => name.replace('/', '\\/')).join('|');
    setup.onResolve({ filter: new RegExp(`^(${names})$`) }, ({ path, importer }) => {
      if (importer.includes('node_modules')) return undefined;
      const text =
        `${path} serves by Node.js's own HTTP, which a dyno of this kind has not: Hono is near to it ` +
        '(`npm install hono`, and `export default app`), or export a fetch handler';
      return { errors: [{ text }] };
    });
  },
};

/** Resolves `npm:name@1/sub`, and the names of an import map. */
function denoSpecifiers(imports) {
  const mapped = (path) => {
    if (Object.hasOwn(imports, path)) return imports[path];
    const prefix = Object.keys(imports).filter((key) => key.endsWith('/') && path.startsWith(key));
    const [longest] = prefix.sort((one, other) => other.length - one.length);
    if (longest) return imports[longest] + path.slice(longest.length);
    const [name] = Object.keys(imports).filter((key) => path.startsWith(`${key}/`) && /^(npm|jsr):/.test(imports[key]));
    return name ? imports[name] + path.slice(name.length) : path;
  };
  return {
    name: 'specifiers of Deno',
    setup(setup) {
      setup.onResolve({ filter: /.*/ }, async (asked) => {
        if (asked.pluginData === imports || asked.kind === 'entry-point') return undefined;
        const path = mapped(asked.path);
        if (/^(jsr|https?):/.test(path)) {
          return { errors: [{ text: `"${path}" cannot be bundled: of other places than files, dyno takes \`npm:\` packages` }] };
        }
        const npm = /^npm:\/?((?:@[^/@]+\/)?[^/@]+)(?:@[^/]*)?(\/.*)?$/.exec(path);
        const found = npm ? npm[1] + (npm[2] ?? '') : path;
        if (found === asked.path) return undefined;
        const isFile = path !== asked.path && /^\.{0,2}\//.test(found);
        const resolveDir = isFile ? setup.initialOptions.absWorkingDir : asked.resolveDir;
        return setup.resolve(found, { kind: asked.kind, importer: asked.importer, resolveDir, pluginData: imports });
      });
    },
  };
}

/** Records who imports what, so that a problem deep in a package is reported where the app imports the package. */
function noteImports(graph) {
  return {
    name: 'who imports what',
    setup(setup) {
      setup.onResolve({ filter: /^[^./]/ }, ({ path, importer }) => {
        const wanted = packageOf(`node_modules/${path}`);
        const from = packageOf(importer);
        if (from !== undefined) {
          if (!graph.packages.has(from)) graph.packages.set(from, new Set());
          graph.packages.get(from).add(wanted);
        } else if (!graph.roots.has(wanted)) {
          graph.roots.set(wanted, { importer, path });
        }
        return undefined;
      });
    },
  };
}

export function plugins({ imports }, graph) {
  return [noteImports(graph), denoSpecifiers(imports ?? {}), virtual, frameworks, builtins];
}
