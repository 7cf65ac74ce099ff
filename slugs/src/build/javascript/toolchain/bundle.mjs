// node bundle.mjs OPTIONS: bundles an app into the body of one async function that returns its exports.
//
// OPTIONS is JSON: `folder`, `entry` (named from there), `out`, `map`, `outside`, and perhaps `imports` (an import map). Each
// message is one line on stderr; exit code 1 says that the app is at fault. The file `outside` lists the sources that lie
// outside of `folder`, with their digests.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import { parse } from 'acorn';
import { build } from 'esbuild';
import { complain, describeErrors, newGraph } from './messages.mjs';
import { plugins } from './modules.mjs';
import { applyChanges, rewriteLiterals } from './regexp.mjs';
import { scan } from './scan.mjs';
import { SourceMap } from './sourcemap.mjs';

const options = JSON.parse(process.argv[2]);
const { folder, entry, out } = options;
const graph = newGraph();

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
  // Conditions of runtimes with fetch handlers, before those of browsers.
  conditions: ['workerd', 'worker', 'wintercg', 'module'],
  mainFields: ['module', 'browser', 'main'],
  define: {
    'process.env.NODE_ENV': '"production"',
    'import.meta': '$dyno.meta',
    'Deno.serve': '$dyno.deno.serve',
    'Deno.env': '$dyno.deno.env',
    'Bun.serve': '$dyno.bun.serve',
    'Bun.env': '$dyno.bun.env',
  },
  loader: Object.fromEntries(loaders),
  plugins: plugins(options, graph),
  sourcemap: 'external',
  sourcesContent: false,
  metafile: true,
  logLevel: 'silent',
  charset: 'utf8',
}).catch((error) => {
  describeErrors(error.errors ?? [{ text: String(error) }], graph, folder).forEach(complain);
  process.exit(1);
});
describeErrors(result.warnings, graph, folder).forEach((line) => complain(`warning: ${line}`));

const text = readFileSync(out, 'utf8');
const map = new SourceMap(JSON.parse(readFileSync(`${out}.map`, 'utf8')), out, folder);
const program = parse(text, { ecmaVersion: 'latest', sourceType: 'module', locations: true });
const { refusals, warnings, changes } = scan(program, map);
warnings.forEach((line) => complain(`warning: ${line}`));
refusals.forEach(complain);
if (refusals.length > 0) process.exit(1);

const made = Object.values(result.metafile.outputs).find((output) => output.entryPoint);
const isListening = /addEventListener\(|\$dyno\.(deno|bun)\.serve|\$dyno\.nodeServe/.test(text);
if (!made.exports.includes('default') && !made.exports.includes('fetch') && !isListening) {
  complain(
    `${entry}:1:1: there is no fetch handler: export one, as in \`export default { fetch(request) { return new ` +
      'Response("hello") } }`, or a Hono app as the default export, or call `addEventListener(\'fetch\', …)`. A ' +
      'server that listens by itself (express, `http.createServer`) cannot run in a dyno of this kind: Hono is the ' +
      'nearest to express',
  );
  process.exit(1);
}
const all = [...changes, ...rewriteLiterals(program), ...returnExports(text, program)];
writeFileSync(out, applyChanges(text, all));
writeFileSync(options.map, map.write(all, text));
writeFileSync(options.outside, sourcesOutside(Object.keys(result.metafile.inputs)));

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
