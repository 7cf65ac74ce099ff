// Resolves imports: servers of other runtimes, specifiers of Deno. Parts of Node.js are in `node.mjs`.

import { packageOf } from './messages.mjs';
import { nodePlugins } from './node.mjs';

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

export function plugins(options, graph) {
  return [noteImports(graph), denoSpecifiers(options.imports ?? {}), virtual, ...nodePlugins(options, graph)];
}
