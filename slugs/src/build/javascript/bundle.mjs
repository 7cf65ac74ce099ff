// node bundle.mjs FOLDER ENTRY OUT: bundles an app into the body of one async function that returns its exports.
//
// Messages go to stderr, as esbuild words them; exit code 1 says that the app is at fault.

import { readFileSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { build } from 'esbuild';

const [folder, entry, out] = process.argv.slice(2);

/** What to use in the place of a part of Node.js. */
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

/** Parts of Node.js that packages of the same name stand in for. */
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

/** The global `process` that a dyno has, for those who import it. */
const PROCESS = "module.exports = globalThis.process; module.exports.default = globalThis.process;";

const builtins = {
  name: 'built-ins of Node.js',
  setup(setup) {
    setup.onResolve({ filter: /^(node:|[a-z_0-9]+(\/[a-z]+)?$)/ }, async (asked) => {
      const name = asked.path.replace(/^node:/, '');
      if (asked.pluginData === builtins || !builtinModules.includes(name)) return undefined;
      if (name === 'process') return { path: 'process', namespace: 'dyno' };
      const options = { kind: asked.kind, resolveDir: asked.resolveDir, importer: asked.importer };
      // The slash is how a package is asked for that bears the name of a built-in.
      for (const installed of [`${name}/`, PACKAGES[name]].filter(Boolean)) {
        const found = await setup.resolve(installed, { ...options, pluginData: builtins });
        if (found.errors.length === 0) return found;
      }
      return { errors: [{ text: missing(name) }] };
    });
    setup.onLoad({ filter: /.*/, namespace: 'dyno' }, () => ({ contents: PROCESS, loader: 'js' }));
  },
};

function missing(name) {
  const what = `"${name}" is a part of Node.js, which a dyno is not`;
  if (INSTEAD[name]) return `${what}: ${INSTEAD[name]}`;
  if (PACKAGES[name]) return `${what}: \`npm install ${PACKAGES[name]}\` brings a replacement`;
  return `${what}: use what browsers have as well, or a package that does`;
}

const TEXT = ['.txt', '.md', '.html', '.css', '.svg', '.sql', '.graphql', '.csv'];
const BINARY = ['.png', '.jpg', '.jpeg', '.gif', '.webp', '.ico', '.woff', '.woff2', '.wasm', '.pdf'];
const loaders = [...TEXT.map((end) => [end, 'text']), ...BINARY.map((end) => [end, 'binary'])];

const result = await build({
  absWorkingDir: folder,
  entryPoints: [entry],
  outfile: out,
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  // What runtimes with fetch handlers are offered, before what pages are.
  conditions: ['workerd', 'worker', 'wintercg', 'module'],
  mainFields: ['module', 'browser', 'main'],
  define: { 'process.env.NODE_ENV': '"production"' },
  loader: Object.fromEntries(loaders),
  plugins: [builtins],
  metafile: true,
  logLevel: 'warning',
  color: false,
  charset: 'utf8',
}).catch(() => process.exit(1));

const [made] = Object.values(result.metafile.outputs);
const text = readFileSync(out, 'utf8');
if (!made.exports.includes('default') && !text.includes('addEventListener(')) {
  console.error(
    `✘ [ERROR] ${entry} has no fetch handler\n\n` +
      '  Export one, as in `export default { fetch(request) { return new Response("hello") } }`, or a Hono app as the\n' +
      "  default export, or call `addEventListener('fetch', …)`. A server that listens by itself (express,\n" +
      '  `http.createServer`) cannot run in a dyno of this kind: Hono is the nearest to express.',
  );
  process.exit(1);
}
writeFileSync(out, returned(text));

/** esbuild writes one export statement, the last one; it becomes what the function returns. */
function returned(text) {
  const [list, single] = ['\nexport {', '\nexport default '];
  const at = text.lastIndexOf(list);
  const common = text.lastIndexOf(single);
  if (common > at) {
    const value = text.slice(common + single.length).trim().replace(/;$/, '');
    return `${text.slice(0, common)}\nreturn { default: ${value} };\n`;
  }
  if (at < 0) return `${text}\nreturn {};\n`;
  const names = text.slice(text.indexOf('{', at) + 1, text.indexOf('}', at));
  const entries = names.split(',').map((part) => part.trim().match(/^(\S+)(?: as (\S+))?$/));
  const pairs = entries.filter(Boolean).map(([, from, to]) => `${to ?? from}: ${from}`);
  return `${text.slice(0, at)}\nreturn { ${pairs.join(', ')} };\n`;
}
