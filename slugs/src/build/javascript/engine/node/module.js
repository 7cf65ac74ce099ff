// `node:module`: `createRequire`, for parts of Node.js and for JSON files of the app. Packages are in the bundle, where the
// bundler has followed each `require` of a plain string.

import sync from './fs/sync.js';

let readModule;
/** Packages that the bundle holds for a `require` of a computed name: functions that load them, by name. */
let packages = {};

/** Sets the function that returns a part of Node.js by its name. */
export function setModuleReader(read) {
  readModule = read;
}

export function setPackages(loaders) {
  packages = loaders;
}

/** `require` of a name that is known only when the program runs. */
export function requireByName(name, folder = '/') {
  const builtin = readModule(String(name).replace(/^node:/, ''));
  if (builtin !== undefined) return builtin;
  if (Object.hasOwn(packages, name)) return packages[name]();
  const isPath = /^\.{0,2}\//.test(name);
  if (isPath && name.endsWith('.json')) {
    const base = new URL(`file://${folder.endsWith('/') ? folder : `${folder}/`}`);
    return JSON.parse(sync.readFileSync(decodeURIComponent(new URL(name, base).pathname), 'utf8'));
  }
  const error = new Error(
    `Cannot find module '${name}': the bundle holds what is required by a plain string, and the dependencies in package.json`,
  );
  throw Object.assign(error, { code: 'MODULE_NOT_FOUND' });
}

function createRequire(from) {
  const path = String(from).replace(/^file:\/\//, '');
  const folder = path.slice(0, path.lastIndexOf('/') + 1) || '/';
  return Object.assign((name) => requireByName(name, folder), { resolve: (name) => name, cache: {} });
}

export default {
  builtinModules: [],
  createRequire,
  isBuiltin: (name) => readModule(String(name).replace(/^node:/, '')) !== undefined,
};
