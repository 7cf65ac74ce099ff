// The messages of a build: one line for each problem, with its place first.

import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

/** Most lines of one kind that are shown: many problems usually have few causes. */
const LINES_MAX = 12;

export function complain(line) {
  console.error(line);
}

/** The package that a file belongs to, or undefined if it is the app's own. */
export function packageOf(file) {
  const at = file.lastIndexOf('node_modules/');
  if (at < 0) return undefined;
  const [scope, name] = file.slice(at + 'node_modules/'.length).split('/');
  return scope.startsWith('@') ? `${scope}/${name}` : scope;
}

/** The imports: `roots` are the packages that the app itself imports, with their places; `packages` says who imports each. */
export function newGraph() {
  return { roots: new Map(), packages: new Map() };
}

/** Turns esbuild's messages into lines. Those about parts of Node.js in packages become one line per package that the app imports. */
export function describeErrors(errors, graph, folder) {
  const lines = [];
  const ofPackages = new Map();
  for (const error of errors) {
    const name = packageOf(error.location?.file ?? '');
    const { builtin } = error.detail ?? {};
    if (name === undefined || builtin === undefined) {
      lines.push(place(error) + error.text);
      continue;
    }
    const root = rootOf(name, graph) ?? name;
    if (!ofPackages.has(root)) ofPackages.set(root, { first: error, builtins: new Set() });
    ofPackages.get(root).builtins.add(`"${builtin}"`);
  }
  for (const [name, { first, builtins }] of ofPackages) {
    const parts = [...builtins].join(', ');
    const where = placeOfImport(graph.roots.get(name), folder) ?? place(first);
    lines.push(
      `${where}the package ${name} needs ${parts} of Node.js, which a dyno does not have: use a package that runs in ` +
        'browsers or workers as well',
    );
  }
  if (lines.length <= LINES_MAX) return lines;
  return [...lines.slice(0, LINES_MAX), `and ${lines.length - LINES_MAX} more of these`];
}

/** The package that the app itself imports and that leads to this one. */
function rootOf(name, { roots, packages }) {
  for (const root of roots.keys()) {
    const reached = new Set([root]);
    for (const at of reached) for (const next of packages.get(at) ?? []) reached.add(next);
    if (reached.has(name)) return root;
  }
  return undefined;
}

/** Finds the line of the app that imports a package. */
function placeOfImport(root, folder) {
  if (!root) return undefined;
  const lines = readFileSync(root.importer, 'utf8').split('\n');
  const line = lines.findIndex((text) => text.includes(`'${root.path}'`) || text.includes(`"${root.path}"`));
  if (line < 0) return undefined;
  const column = lines[line].search(new RegExp(`['"]${root.path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}['"]`));
  return `${relative(folder, root.importer)}:${line + 1}:${column + 1}: `;
}

function place({ location }) {
  return location ? `${location.file}:${location.line}:${location.column + 1}: ` : '';
}
