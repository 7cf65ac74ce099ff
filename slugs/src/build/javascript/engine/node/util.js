// `node:util`: the package of this name, with this engine's `inspect` and `format`, and the functions that Node.js has
// added since.

import packageUtil from 'util';
import { format, inspect } from '../inspect.js';

const CUSTOM_PROMISIFY = Symbol.for('nodejs.util.promisify.custom');

function promisify(original) {
  if (typeof original !== 'function') throw new TypeError('The "original" argument must be of type function');
  if (original[CUSTOM_PROMISIFY]) return original[CUSTOM_PROMISIFY];
  function promised(...values) {
    return new Promise((resolve, reject) => {
      original.call(this, ...values, (error, value) => (error ? reject(error) : resolve(value)));
    });
  }
  Object.setPrototypeOf(promised, Object.getPrototypeOf(original));
  return Object.defineProperties(promised, Object.getOwnPropertyDescriptors(original));
}
promisify.custom = CUSTOM_PROMISIFY;

function inspectValue(value, options) {
  return inspect(value, typeof options === 'object' && options !== null ? options : undefined);
}
inspectValue.custom = Symbol.for('nodejs.util.inspect.custom');
inspectValue.defaultOptions = {};
inspectValue.colors = {};
inspectValue.styles = {};

/** A logger that writes if NODE_DEBUG names its section. */
function debuglog(section) {
  let isEnabled;
  const log = (...values) => {
    if (log.enabled) console.error(`${section.toUpperCase()} 1: ${format(values)}`);
  };
  Object.defineProperty(log, 'enabled', {
    get: () => (isEnabled ??= (globalThis.process?.env?.NODE_DEBUG ?? '').toUpperCase().split(',').includes(section.toUpperCase())),
  });
  return log;
}

function deprecate(run) {
  return function deprecated(...values) {
    return new.target ? Reflect.construct(run, values, new.target) : run.apply(this, values);
  };
}

/** Control sequences of terminals (ECMA-48 5.4), and those that set a title. */
const CONTROL = new RegExp('[\\u001B\\u009B](?:\\][^\\u0007]*\\u0007|[\\[\\]()#;?]*(?:\\d{1,4}(?:;\\d{0,4})*)?[\\dA-PR-TZcf-nq-uy=><~])', 'g');

/** `util.parseArgs`: options, positional arguments. */
function parseArgs({ args = [], options = {}, strict = true, allowPositionals = !strict } = {}) {
  const [values, positionals] = [{}, []];
  const set = (name, value) => {
    if (options[name]?.multiple) (values[name] ??= []).push(value);
    else values[name] = value;
  };
  for (let at = 0; at < args.length; at += 1) {
    const text = args[at];
    if (text === '--') {
      positionals.push(...args.slice(at + 1));
      break;
    }
    const match = /^(?:--([^=]+)(?:=(.*))?|-([^-]))$/s.exec(text);
    if (!match) {
      if (!allowPositionals) throw new TypeError(`Unexpected argument '${text}'. This command does not take positional arguments`);
      positionals.push(text);
      continue;
    }
    const name = match[1] ?? Object.keys(options).find((key) => options[key].short === match[3]) ?? match[3];
    if (strict && !options[name]) throw new TypeError(`Unknown option '${text}'`);
    if (options[name]?.type === 'string') set(name, match[2] ?? args[(at += 1)]);
    else set(name, true);
  }
  for (const [name, { default: value }] of Object.entries(options)) if (value !== undefined) values[name] ??= value;
  return { values, positionals };
}

const types = {
  ...packageUtil.types,
  isExternal: () => false,
  isModuleNamespaceObject: (value) => Object.prototype.toString.call(value) === '[object Module]',
  isNativeError: (value) => value instanceof Error,
  isPromise: (value) => value instanceof Promise,
  isProxy: () => false,
  isUint8Array: (value) => value instanceof Uint8Array,
};

export { types };

export default {
  ...packageUtil,
  TextDecoder: globalThis.TextDecoder,
  TextEncoder: globalThis.TextEncoder,
  aborted: (signal) =>
    new Promise((done) => (signal.aborted ? done() : signal.addEventListener('abort', () => done(), { once: true }))),
  debug: debuglog,
  debuglog,
  deprecate,
  format: (...values) => format(values),
  formatWithOptions: (_, ...values) => format(values),
  inspect: inspectValue,
  isArray: Array.isArray,
  isDeepStrictEqual: undefined,
  parseArgs,
  promisify,
  stripVTControlCharacters: (text) => String(text).replace(CONTROL, ''),
  styleText: (_, text) => text,
  toUSVString: (text) => String(text).replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd'),
  types,
};
