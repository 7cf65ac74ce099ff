// Formats values as text, in the form of `console.log` of Node.js.

import { describe } from './errors.js';

const DEPTH = 2;
const ITEMS_MAX = 100;
const LINE_MAX = 72;
const STRING_MAX = 10_000;
const custom = Symbol.for('nodejs.util.inspect.custom');
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/** The text of `console.log(...values)`: replaces `%s`, `%d` and the like in a first string, and adds the other values. */
export function format(values) {
  const parts = [];
  let next = 0;
  if (typeof values[0] === 'string') {
    next = 1;
    const fill = (directive, kind) => {
      if (kind === '%') return '%';
      if (next >= values.length) return directive;
      return substitute(kind, values[next++]);
    };
    parts.push(values.length === 1 ? values[0] : values[0].replace(/%([sdifjoOc%])/g, fill));
  }
  for (; next < values.length; next += 1) {
    const value = values[next];
    parts.push(typeof value === 'string' ? value : inspect(value));
  }
  return parts.join(' ');
}

function substitute(kind, value) {
  switch (kind) {
    case 's':
      if (typeof value === 'bigint') return `${value}n`;
      if (typeof value === 'object' && value !== null && !hasOwnText(value)) return inspect(value, { depth: 0 });
      return typeof value === 'symbol' ? value.toString() : Object.is(value, -0) ? '-0' : String(value);
    case 'd':
      if (typeof value === 'bigint') return `${value}n`;
      return typeof value === 'object' || typeof value === 'symbol' ? 'NaN' : String(Number(value));
    case 'i':
      if (typeof value === 'bigint') return `${value}n`;
      return typeof value === 'object' || typeof value === 'symbol' ? 'NaN' : String(Number.parseInt(value, 10));
    case 'f':
      return typeof value === 'symbol' ? 'NaN' : String(Number.parseFloat(value));
    case 'j':
      try {
        return String(JSON.stringify(value));
      } catch {
        return '[Circular]';
      }
    case 'o':
      return inspect(value, { depth: 4 });
    case 'O':
      return inspect(value);
    default:
      return '';
  }
}

function hasOwnText(value) {
  if (value instanceof Error || value instanceof Date) return true;
  const { toString } = value;
  return typeof toString === 'function' && toString !== Object.prototype.toString && toString !== Array.prototype.toString;
}

/** The text of one value. */
export function inspect(value, { depth = DEPTH } = {}) {
  const state = { depth: depth ?? Number.POSITIVE_INFINITY, seen: [], circular: new Map() };
  return write(value, 0, state);
}

function write(value, level, state) {
  switch (typeof value) {
    case 'string':
      return level === 0 ? quote(value) : quote(value);
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'bigint':
      return `${value}n`;
    case 'symbol':
      return value.toString();
    case 'function':
    case 'object':
      return value === null ? 'null' : writeObject(value, level, state);
    default:
      return String(value);
  }
}

function quote(text) {
  const cut = text.length > STRING_MAX ? `${text.slice(0, STRING_MAX)}... ${text.length - STRING_MAX} more characters` : text;
  const mark = !cut.includes("'") ? "'" : !cut.includes('"') ? '"' : !cut.includes('`') ? '`' : "'";
  const named = { '\n': '\\n', '\t': '\\t', '\r': '\\r', '\b': '\\b', '\f': '\\f', '\v': '\\v', '\\': '\\\\' };
  const escape = (c) => named[c] ?? (c === mark ? `\\${c}` : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`);
  // biome-ignore lint: control characters are what is looked for.
  return mark + cut.replace(/[\x00-\x1f\x7f\\]/g, escape).replaceAll(mark, mark === "'" ? "\\'" : mark) + mark;
}

function writeObject(value, level, state) {
  if (state.seen.includes(value)) {
    if (!state.circular.has(value)) state.circular.set(value, state.circular.size + 1);
    return `[Circular *${state.circular.get(value)}]`;
  }
  const own = value[custom];
  if (typeof own === 'function') {
    const text = own.call(value, state.depth - level, {}, inspect);
    if (text !== value) return typeof text === 'string' ? text : write(text, level, state);
  }
  const [prefix, brackets, list] = shape(value);
  if (!brackets && list.length === 0) return prefix;
  if (level > state.depth) return `[${constructorName(value) || 'Object: null prototype'}]`;
  state.seen.push(value);
  let items;
  try {
    items = list.map((item) => item(level + 1, state));
  } finally {
    state.seen.pop();
  }
  const number = state.circular.get(value);
  const reference = number ? `<ref *${number}> ` : '';
  return reference + layOut(prefix, brackets ?? ['{', '}'], items, level);
}

function layOut(prefix, [open, close], items, level) {
  const begin = prefix ? `${prefix} ${open}` : open;
  if (items.length === 0) return begin + close;
  const length = items.reduce((sum, item) => sum + item.length + 2, begin.length);
  const indent = '  '.repeat(level);
  if (length + indent.length <= LINE_MAX && !items.some((item) => item.includes('\n'))) {
    return `${begin} ${items.join(', ')} ${close}`;
  }
  return `${begin}\n${indent}  ${items.join(`,\n${indent}  `)}\n${indent}${close}`;
}

/** Describes a value: the text before its brackets, the brackets, and functions that write the items. */
function shape(value) {
  const name = constructorName(value);
  if (Array.isArray(value)) {
    const prefix = name === 'Array' ? '' : `${name}(${value.length})`;
    return [prefix, ['[', ']'], [...elements(value), ...properties(value, isIndex)]];
  }
  if (typeof value === 'function') return [functionName(value), undefined, properties(value)];
  if (value instanceof Error) {
    const skip = (key) => ['stack', 'message', 'cause', 'errors', 'fileName', 'lineNumber', 'columnNumber'].includes(key);
    return [describe(value), undefined, properties(value, skip)];
  }
  if (value instanceof Map) {
    const entry = ([key, item]) => (level, state) => `${write(key, level, state)} => ${write(item, level, state)}`;
    return [`${name}(${value.size})`, ['{', '}'], [...limit([...value], entry), ...properties(value)]];
  }
  if (value instanceof Set) {
    const entry = (item) => (level, state) => write(item, level, state);
    return [`${name}(${value.size})`, ['{', '}'], [...limit([...value], entry), ...properties(value)]];
  }
  if (value instanceof Date) {
    return [Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString(), undefined, properties(value)];
  }
  if (value instanceof RegExp) return [String(value), undefined, properties(value)];
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return [`${name}(${value.length})`, ['[', ']'], elements(value)];
  }
  return shapeOfOther(value, name);
}

function shapeOfOther(value, name) {
  if (value instanceof ArrayBuffer) {
    const hex = Array.from(new Uint8Array(value, 0, Math.min(50, value.byteLength)), (b) => b.toString(16).padStart(2, '0'));
    const more = value.byteLength > 50 ? ` ... ${value.byteLength - 50} more bytes` : '';
    const items = [() => `[Uint8Contents]: <${hex.join(' ')}${more}>`, () => `byteLength: ${value.byteLength}`];
    return [name, ['{', '}'], items];
  }
  for (const [type, tag] of [[String, 'String'], [Number, 'Number'], [Boolean, 'Boolean'], [BigInt, 'BigInt'], [Symbol, 'Symbol']]) {
    if (value instanceof type) return [`[${tag}: ${write(value.valueOf(), 1, { depth: 0, seen: [] })}]`, undefined, []];
  }
  if (value instanceof WeakMap || value instanceof WeakSet) return [`${name} { <items unknown> }`, undefined, []];
  if (value instanceof Promise) return ['Promise', ['{', '}'], []];
  if (value instanceof URL) return [`URL { '${value.href}' }`, undefined, []];
  if (value instanceof Headers) {
    const entry = ([key, item]) => (level, state) => `${quoteKey(key)}: ${write(item, level, state)}`;
    return ['Headers', ['{', '}'], limit([...value], entry)];
  }
  if (value instanceof URLSearchParams || value instanceof FormData) {
    const entry = ([key, item]) => (level, state) => `${quote(key)} => ${write(item, level, state)}`;
    return [name, ['{', '}'], limit([...value], entry)];
  }
  const shown = SHOWN.find(([type]) => globalThis[type] && value instanceof globalThis[type]);
  if (shown) {
    const entry = (key) => (level, state) => `${key}: ${write(value[key], level, state)}`;
    return [name, ['{', '}'], shown[1].map(entry)];
  }
  return [name === 'Object' ? '' : name || '[Object: null prototype]', ['{', '}'], properties(value)];
}

/** The properties to show of classes whose properties are accessors. */
const SHOWN = [
  ['Request', ['method', 'url', 'headers', 'bodyUsed']],
  ['Response', ['status', 'statusText', 'headers', 'bodyUsed', 'ok', 'url']],
  ['File', ['size', 'type', 'name', 'lastModified']],
  ['Blob', ['size', 'type']],
  ['AbortSignal', ['aborted']],
  ['Event', ['type']],
];

function isIndex(key) {
  return typeof key === 'string' && /^\d+$/.test(key);
}

function elements(list) {
  const items = [];
  for (let at = 0; at < Math.min(list.length, ITEMS_MAX); at += 1) {
    if (at in list) items.push((level, state) => write(list[at], level, state));
    else items.push(() => '<empty item>');
  }
  return [...items, ...more(list.length)];
}

function limit(list, entry) {
  return [...list.slice(0, ITEMS_MAX).map(entry), ...more(list.length)];
}

function more(length) {
  const rest = length - ITEMS_MAX;
  return rest > 0 ? [() => `... ${rest} more item${rest > 1 ? 's' : ''}`] : [];
}

function properties(value, skip = () => false) {
  const keys = Object.keys(value).filter((key) => !skip(key));
  const symbols = Object.getOwnPropertySymbols(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key));
  return [...keys, ...symbols].map((key) => (level, state) => {
    const name = typeof key === 'symbol' ? `[${key.toString()}]` : quoteKey(key);
    const { get, set, value: item } = Object.getOwnPropertyDescriptor(value, key) ?? {};
    if (get) return `${name}: ${set ? '[Getter/Setter]' : '[Getter]'}`;
    return `${name}: ${set ? '[Setter]' : write(item, level, state)}`;
  });
}

function quoteKey(key) {
  return IDENTIFIER.test(key) ? key : quote(key);
}

function functionName(value) {
  const source = Function.prototype.toString.call(value);
  if (source.startsWith('class')) {
    const parent = Object.getPrototypeOf(value)?.name;
    return `[class ${value.name || '(anonymous)'}${parent ? ` extends ${parent}` : ''}]`;
  }
  const kind = constructorName(value) || 'Function';
  return `[${kind}${value.name ? `: ${value.name}` : ' (anonymous)'}]`;
}

function constructorName(value) {
  for (let at = value; at !== null; at = Object.getPrototypeOf(at)) {
    const own = Object.getOwnPropertyDescriptor(at, 'constructor');
    if (typeof own?.value === 'function' && own.value.name) return own.value.name;
  }
  return '';
}
