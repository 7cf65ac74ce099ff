// `console` of Node.js: values are formatted, errors have their stacks, warnings and errors go to stderr.

import { format, inspect } from './inspect.js';
import { mapText } from './errors.js';

const engine = globalThis.console;
const [out, err] = [engine.log.bind(engine), engine.error.bind(engine)];
const counts = new Map();
const timers = new Map();
let indent = '';

function print(to, values) {
  const text = mapText(format(values));
  to(indent ? indent + text.replaceAll('\n', `\n${indent}`) : text);
}

function elapsed(label, values) {
  const begin = timers.get(label);
  if (begin === undefined) return print(err, [`Warning: No such label '${label}' for console.time()`]);
  const ms = performance.now() - begin;
  print(out, [`${label}: ${ms < 1000 ? `${ms.toFixed(3)}ms` : `${(ms / 1000).toFixed(3)}s`}`, ...values]);
}

const replaced = {
  log: (...values) => print(out, values),
  info: (...values) => print(out, values),
  debug: (...values) => print(out, values),
  warn: (...values) => print(err, values),
  error: (...values) => print(err, values),
  trace: (...values) => print(err, [traceOf(values)]),
  dir: (value, options) => print(out, [inspect(value, options)]),
  dirxml: (...values) => print(out, values),
  table: (data, columns) => print(out, typeof data === 'object' && data !== null ? [table(data, columns)] : [data]),
  clear() {},
  assert(condition, ...values) {
    if (condition) return;
    if (typeof values[0] === 'string') values[0] = `Assertion failed: ${values[0]}`;
    else values.unshift('Assertion failed');
    print(err, values);
  },
  count(label = 'default') {
    counts.set(`${label}`, (counts.get(`${label}`) ?? 0) + 1);
    print(out, [`${label}: ${counts.get(`${label}`)}`]);
  },
  countReset: (label = 'default') => void counts.delete(`${label}`),
  time: (label = 'default') => void timers.set(`${label}`, performance.now()),
  timeLog: (label = 'default', ...values) => elapsed(`${label}`, values),
  timeEnd(label = 'default') {
    elapsed(`${label}`, []);
    timers.delete(`${label}`);
  },
  group(...values) {
    if (values.length > 0) print(out, values);
    indent += '  ';
  },
  groupCollapsed: (...values) => replaced.group(...values),
  groupEnd() {
    indent = indent.slice(2);
  },
};

function traceOf(values) {
  const error = new Error(format(values));
  error.name = 'Trace';
  return error.stack;
}

/** Writes rows and columns in the form of Node.js. */
function table(data, columns) {
  const rows = data instanceof Map ? [...data] : data instanceof Set ? [...data].map((v, i) => [i, v]) : Object.entries(data);
  const names = [];
  let hasValues = false;
  for (const [, row] of rows) {
    if (typeof row !== 'object' || row === null) hasValues = true;
    else for (const name of Object.keys(row)) if (!names.includes(name)) names.push(name);
  }
  const shown = columns ?? names;
  const cell = (value) => inspect(value, { depth: 0 });
  const head = ['(index)', ...shown, ...(hasValues ? ['Values'] : [])];
  const body = rows.map(([key, row]) => {
    const isObject = typeof row === 'object' && row !== null;
    const cells = shown.map((name) => (isObject && Object.hasOwn(row, name) ? cell(row[name]) : ''));
    return [String(key), ...cells, ...(hasValues ? [isObject ? '' : cell(row)] : [])];
  });
  return draw(head, body);
}

function draw(head, body) {
  const widths = head.map((name, at) => Math.max(name.length, ...body.map((row) => row[at].length)) + 2);
  const rule = (left, middle, right) => left + widths.map((width) => '─'.repeat(width)).join(middle) + right;
  const line = (cells) => `│${cells.map((text, at) => ` ${text}`.padEnd(widths[at])).join('│')}│`;
  return [rule('┌', '┬', '┐'), line(head), rule('├', '┼', '┤'), ...body.map(line), rule('└', '┴', '┘')].join('\n');
}

Object.assign(globalThis.console, replaced);
