// node bundle.mjs OPTIONS: bundles an app into the body of one async function that returns its exports.
//
// OPTIONS is JSON: `folder`, `entry` (named from there), `out`, `map`, `outside`, `files`, and perhaps `imports` (an import
// map). Each message is one line on stderr; exit code 1 says that the app is at fault. The file `outside` lists the sources
// that lie outside of `folder`, with their digests; the file `files` those of packages that go into the slug.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import { parse } from 'acorn';
import { build } from 'esbuild';
import { complain, describeSockets, describeErrors, newGraph } from './messages.mjs';
import { plugins } from './modules.mjs';
import { META, PACKAGES_MODULE, isNodeApp, listReadFiles, packagesForRequire } from './node.mjs';
import { applyChanges, rewriteLiterals } from './regexp.mjs';
import { scan } from './scan.mjs';
import { SourceMap } from './sourcemap.mjs';

const options = JSON.parse(process.argv[2]);
const { folder, entry, out } = options;

const TEXT = ['.txt', '.md', '.html', '.css', '.svg', '.sql', '.graphql', '.csv'];
const BINARY = ['.png', '.jpg', '.jpeg', '.gif', '.webp', '.ico', '.woff', '.woff2', '.wasm', '.pdf'];
const loaders = [...TEXT.map((end) => [end, 'text']), ...BINARY.map((end) => [end, 'binary'])];

/** How packages are resolved: as for other runtimes with fetch handlers, or as Node.js does. */
const RESOLUTION = {
  // The conditions of the former come before those of browsers.
  fetch: { conditions: ['workerd', 'worker', 'wintercg', 'module'], mainFields: ['module', 'browser', 'main'], platform: 'browser' },
  node: { conditions: ['node', 'module-sync'], mainFields: ['module', 'main'], platform: 'node' },
};

const { result, graph, kind } = await bundleApp();
describeErrors(result.warnings, graph, folder).forEach((line) => complain(`warning: ${line}`));
describeSockets(graph, folder).forEach((line) => complain(`warning: ${line}`));

/** Bundles by the rules of fetch handlers, and again by those of Node.js if the app has a server of Node.js. */
async function bundleApp() {
  const kind = isNodeApp(folder) ? 'node' : 'fetch';
  let made = await runBundler(kind);
  if (kind === 'fetch' && made.graph.usesNodeServer) made = await runBundler('node');
  if (made.kind === 'node' && made.result && hasComputedRequire(readFileSync(out, 'utf8'))) {
    const loaded = await runBundler('node', packagesForRequire(folder));
    if (loaded.result) made = loaded;
  }
  if (made.result) return made;
  describeErrors(made.errors, made.graph, folder).forEach(complain);
  process.exit(1);
}

/** `packages` are those that the bundle holds although no `require` names them by a plain string. */
async function runBundler(kind, packages = []) {
  const graph = newGraph();
  const isNode = kind === 'node';
  try {
    const result = await build({
      absWorkingDir: folder,
      entryPoints: [entry],
      outfile: out,
      bundle: true,
      format: 'esm',
      target: 'es2022',
      ...RESOLUTION[kind],
      define: {
        'process.env.NODE_ENV': '"production"',
        'import.meta': isNode ? META : '$dyno.meta',
        'Deno.serve': '$dyno.deno.serve',
        'Deno.env': '$dyno.deno.env',
        'Bun.serve': '$dyno.bun.serve',
        'Bun.env': '$dyno.bun.env',
      },
      // Programs such as `bin/www` have no extension.
      loader: { '': 'js', ...Object.fromEntries(loaders) },
      inject: packages.length > 0 ? [PACKAGES_MODULE] : [],
      plugins: plugins({ ...options, isNode, packages }, graph),
      sourcemap: 'external',
      sourcesContent: false,
      metafile: true,
      logLevel: 'silent',
      charset: 'utf8',
    });
    return { result, graph, kind };
  } catch (error) {
    return { errors: error.errors ?? [{ text: String(error) }], graph, kind };
  }
}

const text = readFileSync(out, 'utf8');
const map = new SourceMap(JSON.parse(readFileSync(`${out}.map`, 'utf8')), out, folder);
const program = parse(text, { ecmaVersion: 'latest', sourceType: 'module', locations: true });
const { refusals, warnings, changes } = scan(program, map, { ignoresPackages: kind === 'node' });
warnings.forEach((line) => complain(`warning: ${line}`));
refusals.forEach(complain);
if (refusals.length > 0) process.exit(1);

const made = Object.values(result.metafile.outputs).find((output) => output.entryPoint);
const isListening = kind === 'node' || /addEventListener\(|\$dyno\.(deno|bun)\.serve|\$dyno\.nodeServe/.test(text);
if (!made.exports.includes('default') && !made.exports.includes('fetch') && !isListening) {
  complain(
    `${entry}:1:1: there is no fetch handler: export one, as in \`export default { fetch(request) { return new ` +
      'Response("hello") } }`, or a Hono app as the default export, or call `addEventListener(\'fetch\', …)`, or start ' +
      'a server of `node:http` or of express',
  );
  process.exit(1);
}
const all = [...changes, ...rewriteLiterals(program), ...returnExports(text, program), ...beginProgram(text)];
writeFileSync(out, applyChanges(text, all));
writeFileSync(options.map, map.write(all, text));
writeFileSync(options.files, filesOfPackages());
writeFileSync(options.outside, sourcesOutside(Object.keys(result.metafile.inputs)));

/** One line for each file of a package that goes into the slug: its name there, a tab, its path. */
function filesOfPackages() {
  const files = listReadFiles(folder, graph);
  if (!files) complain('warning: the packages that read their own files are too large for a slug: what they read is absent');
  return (files ?? []).map(([name, path]) => `${name}\t${path}\n`).join('');
}

/** The first line: programs of Node.js need its globals, and `require` of computed names. */
function beginProgram(text) {
  const changes = text.startsWith('#!') ? [{ start: 0, end: text.indexOf('\n'), text: '' }] : [];
  const begin = [graph.usesNode ? '$dyno.beginNode();' : '', kind === 'node' ? 'const require = $dyno.require;' : ''].join(' ').trim();
  return begin ? [{ start: 0, end: 0, text: `${begin} ` }, ...changes] : changes;
}

/** Whether a program calls `require` with a name that is known only when it runs. */
function hasComputedRequire(text) {
  return /\b__require\((?!["'`])/.test(text.replace(/function\(x\) \{[^}]*\}/, ''));
}

/** One line for each source outside of the app's folder, as in a workspace around it: SHA-256 and path. */
function sourcesOutside(inputs) {
  const inside = realpathSync(folder) + sep;
  const paths = inputs.map((input) => resolve(folder, input)).filter((path) => existsSync(path));
  const outside = paths.map((path) => realpathSync(path)).filter((path) => !path.startsWith(inside));
  const digest = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');
  return outside.map((path) => `${digest(path)} ${path}\n`).join('');
}

/** esbuild writes one export statement, at the end; it becomes the return statement of the function. */
function returnExports(text, program) {
  return program.body.flatMap((node) => {
    const change = (made) => [{ start: node.start, end: node.end, text: made }];
    if (node.type === 'ExportDefaultDeclaration') {
      return change(`return { default: ${text.slice(node.declaration.start, node.declaration.end)} };`);
    }
    if (node.type !== 'ExportNamedDeclaration') return [];
    const pairs = node.specifiers.map(({ local, exported }) => `${JSON.stringify(exported.name ?? exported.value)}: ${local.name}`);
    return change(`return { ${pairs.join(', ')} };`);
  });
}
