// node make.mjs HANDLER WIT OUT: makes the engine's component. `dyno` composes it with compiled code; the result runs every
// JavaScript app.
//
// The handler and its packages become one file, whose top level runs once, while the component is made: a dyno starts with
// all of it in memory.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { componentize } from '@bytecodealliance/componentize-js';
import { parse } from 'acorn';
import { build } from 'esbuild';
import { applyChanges, rewriteLiterals } from './regexp.mjs';

/** `text:PATH` is a file of a package as a string. */
const texts = {
  name: 'texts',
  setup(setup) {
    setup.onResolve({ filter: /^text:/ }, ({ path }) => ({ path: path.slice('text:'.length), namespace: 'text' }));
    setup.onLoad({ filter: /.*/, namespace: 'text' }, async ({ path }) => ({
      contents: await readFile(join('node_modules', path), 'utf8'),
      loader: 'text',
    }));
  },
};

/** Packages that are made for browsers import each other by the names of Node.js. */
const NODE_NAMES = {
  buffer: './engine/node/buffer.js',
  events: './engine/node/events.js',
  process: './engine/node/package_process.js',
  stream: './engine/node/stream.js',
};
const nodeNames = {
  name: 'names of Node.js',
  setup(setup) {
    setup.onResolve({ filter: /^(node:)?(buffer|events|process|stream)\/?$/ }, ({ path, importer, kind }) => {
      const name = path.replace(/^node:|\/$/g, '');
      // The module itself wraps the package of its name.
      if (importer.endsWith(NODE_NAMES[name].slice(1))) return undefined;
      // readable-stream looks for another module `stream`; there is none.
      if (name === 'stream' && importer.includes('/readable-stream/')) return { path: 'none', namespace: 'none' };
      return kind === 'require-call' ? { path: name, namespace: 'required' } : { path: resolve(NODE_NAMES[name]) };
    });
    setup.onLoad({ filter: /.*/, namespace: 'none' }, () => ({ contents: 'module.exports = undefined;' }));
    setup.onLoad({ filter: /.*/, namespace: 'required' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(NODE_NAMES[path])}).default;`,
      resolveDir: process.cwd(),
    }));
  },
};

const [handler, witPath, out] = process.argv.slice(2);
const work = await mkdtemp(join(process.cwd(), '.make-'));
const sourcePath = join(work, 'handler.js');
await build({
  entryPoints: [handler],
  outfile: sourcePath,
  bundle: true,
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  mainFields: ['module', 'main'],
  external: ['dyno:*', 'wasi:*'],
  inject: ['./engine/node/package_process.js'],
  define: { global: 'globalThis' },
  alias: { 'abort-controller': './engine/node/abort.js', 'node:path': 'path-browserify', 'node:querystring': 'unenv/node/querystring' },
  plugins: [texts, nodeNames],
  // The engine keeps the text in memory: one byte a character, if all are of ISO 8859-1.
  minifyWhitespace: true,
  minifySyntax: true,
  charset: 'ascii',
  legalComments: 'none',
  logLevel: 'warning',
});
const text = await readFile(sourcePath, 'utf8');
const program = parse(text, { ecmaVersion: 'latest', sourceType: 'module' });
await writeFile(sourcePath, applyChanges(text, rewriteLiterals(program)));
// componentize-js is called as a library: its command line is known to fail where this works.
const { component } = await componentize({ sourcePath, witPath, worldName: 'app' });
await writeFile(out, component);
await rm(work, { recursive: true });
