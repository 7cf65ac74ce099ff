// The messages of a build: one line for each problem, with its place first.

import { existsSync, readFileSync } from 'node:fs';
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

/**
 * The imports: `roots` are the packages that the app itself imports, with their places; `packages` says who imports each;
 * `socketPackages` are those that open sockets of their own, and `readers` the folders of those that may read their own
 * files. `usesNode` and `usesNodeServer` say whether
 * anybody imports a part of Node.js, and its HTTP.
 */
export function newGraph() {
  return { roots: new Map(), packages: new Map(), socketPackages: new Set(), readers: new Set(), usesNode: false, usesNodeServer: false };
}

/** Turns esbuild's messages into lines. */
export function describeErrors(errors, graph, folder) {
  const lines = [...new Set(errors.map((error) => (placeOfError(error, graph, folder) ?? place(error)) + error.text))];
  if (lines.length <= LINES_MAX) return lines;
  return [...lines.slice(0, LINES_MAX), `and ${lines.length - LINES_MAX} more of these`];
}

/** An error deep in a package is reported where the app imports the package. */
function placeOfError({ location, detail }, graph, folder) {
  const name = packageOf(location?.file ?? '');
  return name !== undefined && detail?.builtin ? placeOfImport(graph.roots.get(rootOf(name, graph)), folder) : undefined;
}

/** One line for each package that the app imports and that needs sockets. */
export function describeSockets(graph, folder) {
  const roots = new Set([...graph.socketPackages].map((name) => rootOf(name, graph) ?? name));
  return [...roots].map((name) => {
    const where = placeOfImport(graph.roots.get(name), folder) ?? '';
    return `${where}the package ${name} opens sockets of its own, which a dyno of JavaScript lacks: its connections fail; use a service that speaks HTTP`;
  });
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
  if (!root || !existsSync(root.importer)) return undefined;
  const lines = readFileSync(root.importer, 'utf8').split('\n');
  const line = lines.findIndex((text) => text.includes(`'${root.path}'`) || text.includes(`"${root.path}"`));
  if (line < 0) return undefined;
  const column = lines[line].search(new RegExp(`['"]${root.path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}['"]`));
  return `${relative(folder, root.importer)}:${line + 1}:${column + 1}: `;
}

function place({ location }) {
  return location ? `${location.file}:${location.line}:${location.column + 1}: ` : '';
}
