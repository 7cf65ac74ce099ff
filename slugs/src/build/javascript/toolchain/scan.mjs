// Searches the whole program for features that a dyno lacks, and for promises that nobody awaits.

import { ancestor } from 'acorn-walk';
import { packageOf } from './messages.mjs';

/** Globals that a dyno lacks, each with what to do instead. */
const ABSENT = {
  Atomics: 'a dyno has one thread, and needs none',
  EventSource: 'read the body of `fetch` as a stream',
  FileReader: 'use `blob.text()` or `blob.arrayBuffer()`',
  SharedArrayBuffer: 'a dyno has one thread: use ArrayBuffer',
  WebAssembly: 'the engine runs inside of WebAssembly and cannot run more of it',
  WebSocket: 'a dyno of this kind speaks HTTP with `fetch` only',
  Worker: 'a dyno has one thread; the number of dynos is what scales',
  XMLHttpRequest: 'use `fetch`',
  caches: 'there is no cache between requests: keep what is needed in memory, or in an add-on',
};
/** Globals that no app which uses them works without: the build refuses them. */
const REFUSED = {
  WebSocketPair: 'a WebSocket needs a server dyno, which JavaScript apps cannot be yet: use server-sent events, a Response whose body is a stream',
  HTMLRewriter: 'it is a part of Cloudflare\'s own: use a parser of HTML from npm',
};
const INTL = 'there is no Intl in this engine: format by hand, or with a package such as date-fns';
const DURABLE = 'a Durable Object is a service of Cloudflare\'s own: keep state in a database (`dyno addons create postgresql`)';
/** Most warnings that are shown. */
const WARNINGS_MAX = 20;
/** Methods that are called often and do not return promises. */
const PLAIN = new Set(['add', 'append', 'assign', 'defineProperty', 'delete', 'forEach', 'push', 'set', 'splice', 'unshift']);

/** `ignoresPackages`: packages for Node.js try many features and have another way. */
export function scan(program, map, { ignoresPackages }) {
  const found = { refusals: new Map(), warnings: new Map(), changes: [] };
  const note = (to, node, text) => {
    const at = map.locate(node.loc.start);
    if (!at) return;
    // Once for each package, since the package may have another way.
    const owner = packageOf(at.file);
    if (owner && ignoresPackages && to === found.warnings) return;
    const key = owner ? `${owner} ${text}` : `${at.file}:${at.line} ${text}`;
    if (!to.has(key)) to.set(key, `${at.file}:${at.line}:${at.column}: ${text}`);
  };
  ancestor(program, {
    Identifier: (node, _, ancestors) => checkGlobal(node, ancestors, found, note),
    Class(node) {
      if (node.superClass?.type === 'Identifier' && /^DurableObject\d*$/.test(node.superClass.name)) {
        note(found.refusals, node, DURABLE);
      }
    },
    ImportExpression(node) {
      // Packages that do so import parts of other runtimes, and catch the failure.
      if (isOfPackage(node, map)) return;
      note(found.warnings, node, '`import()` of a name that is not a plain string cannot be bundled, and fails when it runs');
    },
    CallExpression: (node) => checkLocale(node, found, note),
    NewExpression: (node) => checkRegExp(node, found, note),
    ExpressionStatement: (node) => watchPromise(node, map, found.changes),
  });
  const warnings = [...found.warnings.values()];
  const rest = warnings.length - WARNINGS_MAX;
  if (rest > 0) warnings.splice(WARNINGS_MAX, rest, `and ${rest} more of these`);
  return { refusals: [...found.refusals.values()], warnings, changes: found.changes };
}

function isOfPackage(node, map) {
  const at = map.locate(node.loc.start);
  return at !== undefined && packageOf(at.file) !== undefined;
}

function checkGlobal(node, ancestors, found, note) {
  const { name } = node;
  if (!(Object.hasOwn(ABSENT, name) || Object.hasOwn(REFUSED, name) || ['Intl', 'Deno', 'Bun'].includes(name))) return;
  if (isGuarded(name, ancestors) || isDeclared(name, ancestors)) return;
  if (Object.hasOwn(REFUSED, name)) return note(found.refusals, node, `there is no ${name}: ${REFUSED[name]}`);
  if (name === 'Intl') return note(found.warnings, node, INTL);
  if (Object.hasOwn(ABSENT, name)) return note(found.warnings, node, `there is no ${name}: ${ABSENT[name]}`);
  const parent = ancestors.at(-2);
  const member = parent?.type === 'MemberExpression' && !parent.computed ? `.${parent.property.name}` : '';
  note(found.warnings, node, `there is no ${name}${member} in a dyno: of ${name} it has \`serve\` and \`env\``);
}

/** Whether the name is in `typeof name` or in a conditional that tests it: the program works without the global. */
function isGuarded(name, ancestors) {
  const asks = (test) => test && JSON.stringify(test, (key, value) => (typeof value === 'bigint' ? 0 : value)).includes(`"name":"${name}"`);
  return ancestors.some((node) => {
    if (node.type === 'UnaryExpression') return node.operator === 'typeof';
    if (node.type === 'IfStatement' || node.type === 'ConditionalExpression') return hasTypeof(node.test) && asks(node.test);
    return node.type === 'LogicalExpression' && hasTypeof(node.left) && asks(node.left);
  });
}

function hasTypeof(node) {
  return JSON.stringify(node, (key, value) => (typeof value === 'bigint' ? 0 : value)).includes('"operator":"typeof"');
}

/** Whether a function or block around it declares the name itself. esbuild gives top-level names numbers if it must. */
function isDeclared(name, ancestors) {
  return ancestors.some((node) => {
    const bodies = node.type === 'Program' || node.type === 'BlockStatement' ? node.body : [];
    const isHere = bodies.some((statement) => {
      if (statement.type === 'VariableDeclaration') return statement.declarations.some(({ id }) => id.name === name);
      return statement.id?.name === name;
    });
    return isHere || node.params?.some((parameter) => parameter.name === name);
  });
}

/** Finds texts in languages other than English, and dates in unusual forms. */
function checkLocale({ callee, arguments: [locales, options], loc }, found, note) {
  const name = callee.type === 'MemberExpression' && !callee.computed ? callee.property.name : undefined;
  if (!['toLocaleString', 'toLocaleDateString', 'toLocaleTimeString', 'localeCompare'].includes(name)) return;
  const locale = name === 'localeCompare' ? options : locales;
  const isEnglish = !locale || locale.type === 'Identifier' || /^en(-US)?$/.test(locale.value);
  const hasOptions = options && name !== 'localeCompare' && name !== 'toLocaleString';
  if (isEnglish && !hasOptions) return;
  note(found.warnings, { loc }, `${name}() writes American English in UTC here, in its usual form, whatever it is asked for`);
}

/** Finds expressions with properties of characters, which the engine does not know: literals are rewritten, texts are not. */
function checkRegExp(node, found, note) {
  const [pattern] = node.arguments;
  if (node.callee.name !== 'RegExp' || typeof pattern?.value !== 'string' || !/\\p\{/i.test(pattern.value)) return;
  note(found.warnings, node, 'this engine reads `\\p{…}` in a regular expression between slashes only: write it as a literal');
}

/** Packages that call the handlers of an app, and drop the promises of those that are asynchronous. */
const CALLERS = new Set(['connect', 'express', 'router', 'polka', 'restify']);

/** `fn(req, res, next)`, perhaps with an error before. */
function isHandlerCall({ arguments: values = [] }) {
  return (values.length === 3 || values.length === 4) && values.every((value) => /^(err|error|req|res|next)\d*$/.test(value.name));
}

/** Whether a call is a statement by itself. If it returns a promise that is rejected, the rejection is logged. */
function watchPromise({ expression }, map, changes) {
  const call = expression.type === 'UnaryExpression' && expression.operator === 'void' ? expression.argument : expression;
  const { callee } = call.type === 'ChainExpression' ? call.expression : call;
  if (!callee || callee.type === 'Super' || (call.type === 'NewExpression' && callee.name !== 'Promise')) return;
  if (callee.type === 'Identifier' && callee.name.startsWith('__')) return;
  if (callee.type === 'MemberExpression') {
    if (callee.object.name === 'console' || callee.object.name === '$dyno') return;
    if (PLAIN.has(callee.property.name)) return;
  }
  const at = map.locate(call.loc.start);
  if (!at || at.file.includes(':')) return;
  const owner = packageOf(at.file);
  if (owner !== undefined && !(CALLERS.has(owner) && isHandlerCall(call))) return;
  changes.push({ start: call.start, end: call.start, text: '$dyno.watch(' }, { start: call.end, end: call.end, text: ')' });
}
