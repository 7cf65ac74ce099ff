// Programs of Node.js: its parts, which are in the component, and the places of files, which its programs ask for.

import { existsSync, readFileSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { builtinModules, createRequire } from 'node:module';
import { isAbsolute, join, relative, sep } from 'node:path';
import { ABSENT } from './engine/node/absent_parts.js';
import { packageOf } from './messages.mjs';

const load = createRequire(import.meta.url);

/** The name that stands for `import.meta` in a file that uses it. */
export const META = '__dyno_meta';
/** The module that gives the bundle's packages to `require` of computed names. */
export const PACKAGES_MODULE = 'dyno:packages';

/** Well-known packages that do nothing without sockets of their own. */
const SOCKET_PACKAGES = new Set([
  '@redis/client', 'amqplib', 'ioredis', 'kafkajs', 'ldapjs', 'memjs', 'mongodb', 'mqtt', 'mysql', 'mysql2', 'nats', 'nodemailer',
  'pg', 'socket.io', 'ssh2', 'tedious', 'ws',
]);
/** Frameworks that serve by Node.js's own HTTP. */
const SERVERS = [
  '@feathersjs/express', '@hapi/hapi', '@nestjs/core', 'apollo-server', 'connect', 'express', 'fastify', 'koa', 'micro', 'polka',
  'restify', 'sails',
];
/** Files that mark a package of native code. */
const NATIVE_FILES = ['binding.gyp'];
const NATIVE_TOOLS = ['@mapbox/node-pre-gyp', 'bindings', 'node-gyp-build', 'node-pre-gyp', 'prebuild-install'];
/** What to use instead of well-known packages of native code. */
const INSTEAD_OF_NATIVE = {
  argon2: 'use `crypto.scrypt`, or hash-wasm',
  bcrypt: 'use bcryptjs, which has the same functions',
  'better-sqlite3': 'use a database (`dyno addons create postgresql`)',
  canvas: 'draw SVG',
  sharp: 'resize images before they are deployed, or with jimp',
  sqlite3: 'use a database (`dyno addons create postgresql`)',
};

function readPackage(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  } catch {
    return {};
  }
}

/** Whether the app names a framework that serves by Node.js's HTTP. */
export function isNodeApp(folder) {
  return Object.keys(readPackage(folder).dependencies ?? {}).some((name) => SERVERS.includes(name));
}

/** The packages that the app depends on: a program may `require` them by computed names, as express does with views. */
export function packagesForRequire(folder) {
  const names = Object.keys(readPackage(folder).dependencies ?? {});
  return names.filter((name) => !name.startsWith('@types/') && existsSync(join(folder, 'node_modules', name)));
}

/** Resolves parts of Node.js to those in the component. */
function builtins({ isNode }, graph) {
  return {
    name: 'parts of Node.js',
    setup(setup) {
      setup.onResolve({ filter: /^(node:|[a-z_0-9]+(\/[a-z]+)?$)/ }, async (asked) => {
        const name = asked.path.replace(/^node:/, '');
        if (asked.pluginData === builtins || !builtinModules.includes(name)) return undefined;
        const isOfApp = packageOf(asked.importer) === undefined;
        // An app with a fetch handler means the installed package of this name, if there is one.
        if (!isNode && !asked.path.startsWith('node:')) {
          const options = { kind: asked.kind, resolveDir: asked.resolveDir, importer: asked.importer };
          const found = await setup.resolve(`${name}/`, { ...options, pluginData: builtins });
          if (found.errors.length === 0) return found;
        }
        if (Object.hasOwn(ABSENT, name) && isOfApp) {
          const text = `"${name}" is a part of Node.js that a dyno lacks: ${ABSENT[name]}`;
          return { errors: [{ text, detail: { builtin: name } }] };
        }
        graph.usesNode = true;
        if (name === 'http' || name === 'https') graph.usesNodeServer = true;
        if (SOCKET_PACKAGES.has(packageOf(asked.importer))) graph.socketPackages.add(packageOf(asked.importer));
        return { path: name, namespace: 'node' };
      });
      setup.onLoad({ filter: /.*/, namespace: 'node' }, ({ path }) => {
        const names = Object.hasOwn(ABSENT, path) ? `, ${JSON.stringify(functionsOf(path))}` : '';
        return { contents: `module.exports = $dyno.node(${JSON.stringify(path)}${names});`, loader: 'js' };
      });
    },
  };
}

/** The names of the functions of a part of Node.js. */
function functionsOf(name) {
  try {
    return Object.entries(load(`node:${name}`)).filter(([, value]) => typeof value === 'function').map(([key]) => key);
  } catch {
    return [];
  }
}

/** Refuses packages of native code that the app imports. In other packages, native code is an option that fails when it runs. */
function nativePackages(folder) {
  return {
    name: 'native code',
    setup(setup) {
      setup.onResolve({ filter: /^[^./]/ }, ({ path, importer }) => {
        if (packageOf(importer) !== undefined || path.startsWith('node:')) return undefined;
        const name = packageOf(`node_modules/${path}`);
        const place = join(folder, 'node_modules', name);
        if (!isNative(place)) return undefined;
        const instead = INSTEAD_OF_NATIVE[name] ?? 'use a package of plain JavaScript';
        return { errors: [{ text: `the package ${name} is native code, which a dyno cannot run: ${instead}` }] };
      });
      setup.onResolve({ filter: /\.node$/ }, ({ path }) => ({ path, namespace: 'native' }));
      setup.onLoad({ filter: /.*/, namespace: 'native' }, ({ path }) => ({
        contents: `throw new Error(${JSON.stringify(`${path} is native code, which a dyno cannot run`)});`,
      }));
    },
  };
}

function isNative(place) {
  if (NATIVE_FILES.some((name) => existsSync(join(place, name)))) return true;
  return Object.keys(readPackage(place).dependencies ?? {}).some((name) => NATIVE_TOOLS.includes(name));
}

/** A package that another package requires and that is not installed fails when it is required, as in Node.js. */
const missingPackages = {
  name: 'packages that are not installed',
  setup(setup) {
    setup.onResolve({ filter: /^[^./]/ }, async (asked) => {
      const isLazy = asked.kind === 'require-call' || asked.kind === 'dynamic-import';
      if (!isLazy || asked.pluginData === missingPackages || packageOf(asked.importer) === undefined) return undefined;
      const options = { kind: asked.kind, resolveDir: asked.resolveDir, importer: asked.importer };
      const found = await setup.resolve(asked.path, { ...options, pluginData: missingPackages });
      return found.errors.length === 0 ? found : { path: asked.path, namespace: 'missing' };
    });
    setup.onLoad({ filter: /.*/, namespace: 'missing' }, ({ path }) => {
      const message = JSON.stringify(`Cannot find module '${path}'`);
      return { contents: `throw Object.assign(new Error(${message}), { code: 'MODULE_NOT_FOUND' });` };
    });
  },
};

/** Comments and directives, which come before the first statement of a file. */
const PROLOGUE = /^(?:#![^\n]*\n)?(?:\s+|\/\/[^\n]*\n|\/\*[^]*?\*\/|'use strict';?|"use strict";?)*/;

/** `require.resolve` of a plain string. */
const RESOLVE = /\brequire\.resolve\(\s*(["'])([^"'\n]+)\1\s*\)/g;

/**
 * Gives files their `__dirname`, `__filename` and `import.meta`: the places that they have among the app's files. The files
 * of a package that asks for its place go into the slug, since the package may read them.
 */
function filePlaces(folder, graph) {
  const root = realpathSync(folder);
  return {
    name: 'places of files',
    setup(setup) {
      setup.onLoad({ filter: /(\.[cm]?[jt]sx?|[\\/][^.\\/]+)$/, namespace: 'file' }, ({ path }) => {
        const original = readFileSync(path, 'utf8');
        const place = placeAmongFiles(path, root);
        const text = original.replace(RESOLVE, (all, _, name) => resolvedPlace(name, path, root) ?? all);
        const names = [];
        const folderName = place.slice(0, place.lastIndexOf('/')) || '/';
        if (/\b__dirname\b/.test(text)) names.push(['__dirname', JSON.stringify(folderName)]);
        if (/\b__filename\b/.test(text)) names.push(['__filename', JSON.stringify(place)]);
        if (/\bimport\.meta\b/.test(text)) names.push([META, `$dyno.metaOf(${JSON.stringify(place)})`]);
        const isNew = ([name]) => !new RegExp(`\\b(const|let|var)\\s+${name}\\b`).test(text);
        const made = names.filter(isNew).map(([name, value]) => `var ${name} = ${value};`);
        if (made.length > 0 || text !== original) noteReader(path, graph);
        else return undefined;
        const [{ length }] = PROLOGUE.exec(text);
        const loader = /\.([cm]?)([jt]sx?)$/.exec(path)?.[2] ?? 'js';
        return { contents: text.slice(0, length) + made.join(' ') + text.slice(length), loader };
      });
    },
  };
}

/** The place of a module, as a string of JavaScript; undefined if it is not found. */
function resolvedPlace(name, from, root) {
  try {
    const found = createRequire(from).resolve(name);
    return isAbsolute(found) ? JSON.stringify(placeAmongFiles(found, root)) : undefined;
  } catch {
    return undefined;
  }
}

function noteReader(path, graph) {
  const name = packageOf(path);
  if (name === undefined) return;
  const at = path.lastIndexOf(`node_modules${sep}`) + 'node_modules/'.length;
  graph.readers.add(path.slice(0, at) + name.split('/').join(sep));
}

/** Most files, and bytes, of packages that go into a slug. */
const FILES_MAX = 5_000;
const BYTES_MAX = 64 * 2 ** 20;

/** The files of packages that may read them: pairs of the name in the slug and the path. */
export function listReadFiles(folder, graph) {
  const root = realpathSync(folder);
  const found = [];
  let bytes = 0;
  const visit = (place) => {
    for (const entry of readdirSync(place, { withFileTypes: true })) {
      const path = join(place, entry.name);
      if (entry.isDirectory() && entry.name !== 'node_modules') visit(path);
      else if (entry.isFile() && !/\.(map|md|[cm]?ts)$/.test(entry.name)) {
        bytes += statSync(path).size;
        found.push([placeAmongFiles(path, root).slice(1), path]);
      }
    }
  };
  [...graph.readers].sort().forEach(visit);
  return found.length > FILES_MAX || bytes > BYTES_MAX ? undefined : found;
}

/** The path of a file among the app's files. */
function placeAmongFiles(path, root) {
  const inner = relative(root, path);
  if (!inner.startsWith('..')) return `/${inner.split(sep).join('/')}`;
  const at = path.lastIndexOf(`${sep}node_modules${sep}`);
  return at < 0 ? `/${path.split(sep).pop()}` : path.slice(at).split(sep).join('/');
}

/** The module that gives packages to `require` of computed names. */
function computedRequires(folder, packages) {
  return {
    name: 'require of computed names',
    setup(setup) {
      setup.onResolve({ filter: /^dyno:packages$/ }, ({ path }) => ({ path, namespace: 'packages' }));
      setup.onLoad({ filter: /.*/, namespace: 'packages' }, () => ({
        contents: `$dyno.setPackages({ ${packages.map((name) => `${JSON.stringify(name)}: () => require(${JSON.stringify(name)})`).join(', ')} });`,
        resolveDir: folder,
      }));
    },
  };
}

export function nodePlugins({ folder, isNode, packages }, graph) {
  const always = [builtins({ isNode }, graph), nativePackages(folder)];
  return isNode ? [...always, filePlaces(folder, graph), computedRequires(folder, packages), missingPackages] : always;
}
