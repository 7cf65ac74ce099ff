// Errors in the form that authors of apps expect: `stack` begins with the message, as in Node.js and V8, and its lines
// name the app's own files, with the help of the bundle's source map.

/** The name of the bundle in the engine's stacks. */
export const BUNDLE = '.dyno/app.js';
/** Lines that an `AsyncFunction` puts before its body. */
const LINES_BEFORE = 2;
/** Most frames of a stack, as in V8. */
const FRAMES_MAX = 10;
const CAUSES_MAX = 8;
/** Fewest calls of a stack that is given to a program. */
const CALLERS_MIN = 4;

const frame = new RegExp(`^(?:async\\*|promise callback\\*|setTimeout handler\\*)?(.*)@${BUNDLE.replaceAll('.', '\\.')}:(\\d+):(\\d+)$`);
const position = new RegExp(`${BUNDLE.replaceAll('.', '\\.')}:(\\d+):(\\d+)`, 'g');

let readMap = () => '';
let map;

/** Sets the function that reads the source map when the first error needs it. */
export function setMapReader(read) {
  readMap = read;
}

/**
 * The place in the sources of a place in the bundle. The map's first line is JSON, `{ sources }`; each further line
 * belongs to a line of the bundle, in the encoding of source maps (ECMA-426), begun anew: one line is decoded alone.
 */
function locate(line, column) {
  map ??= parseMap();
  const segments = map.lines[line - LINES_BEFORE - 1];
  if (!segments) return undefined;
  let found;
  const state = [0, 0, 0, 0];
  for (const segment of segments.split(',')) {
    decodeSegment(segment, state);
    if (state[0] > column - 1) break;
    found = [...state];
  }
  return found && `${map.sources[found[1]]}:${found[2] + 1}:${found[3] + 1}`;
}

function parseMap() {
  try {
    const [head, ...lines] = readMap().split('\n');
    return { ...JSON.parse(head), lines };
  } catch {
    return { sources: [], lines: [] };
  }
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Adds the numbers of one segment to the state. */
function decodeSegment(segment, state) {
  let [value, shift, field] = [0, 0, 0];
  for (const character of segment) {
    const digit = DIGITS.indexOf(character);
    value |= (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    if (field < state.length) state[field] += value & 1 ? -(value >> 1) : value >> 1;
    [value, shift] = [0, 0];
    field += 1;
  }
}

/** Replaces each place in the bundle in a text by the place in the sources. */
export function mapText(text) {
  if (!text.includes(BUNDLE)) return text;
  return text.replace(position, (all, line, column) => locate(Number(line), Number(column)) ?? all);
}

/** One call of a stack, with the methods of V8. Its place in the sources is looked up when the app asks for that. */
class CallSite {
  #line;
  #column;
  #place;

  constructor(name, line, column, isAsync) {
    this.name = name;
    this.isOfPromise = isAsync;
    this.#line = line;
    this.#column = column;
  }

  /** `file:line:column` of the sources, or undefined if the call is not of the app. */
  place() {
    return (this.#place ??= locate(this.#line, this.#column));
  }

  /** One part of the place: 0 for the file, 1 for the line, 2 for the column. */
  #part(at) {
    return /^(.*):(\d+):(\d+)$/.exec(this.place() ?? `${BUNDLE}:${this.#line}:${this.#column}`)[at + 1];
  }

  getFileName = () => `/${this.#part(0)}`;
  getScriptNameOrSourceURL = () => this.getFileName();
  getLineNumber = () => Number(this.#part(1));
  getColumnNumber = () => Number(this.#part(2));
  getFunctionName = () => this.name || null;
  getMethodName = () => null;
  getTypeName = () => 'Object';
  getThis = () => undefined;
  getFunction = () => undefined;
  getEvalOrigin = () => undefined;
  isAsync = () => this.isOfPromise;
  isConstructor = () => false;
  isEval = () => false;
  isNative = () => false;
  isPromiseAll = () => false;
  isToplevel = () => true;

  toString() {
    const isAsync = this.isOfPromise ? 'async ' : '';
    return this.name ? `${isAsync}${this.name} (${this.place()})` : `${isAsync}${this.place()}`;
  }
}

/** The calls of the bundle in a stack of the engine. */
function toCallSites(raw) {
  const sites = [];
  for (const line of raw.split('\n')) {
    const match = frame.exec(line);
    if (!match) continue;
    const name = match[1].replace(/[/<]+$/, '').replace(/^anonymous[/<]*/, '');
    sites.push(new CallSite(name, Number(match[2]), Number(match[3]), line.startsWith('async*')));
  }
  return sites;
}

/** The engine's own stack as lines of `    at name (file:line:column)`; frames outside of the app are left out. */
function toFrames(raw) {
  const frames = [];
  for (const site of toCallSites(raw)) {
    if (!site.place()) continue;
    frames.push(`    at ${site}`);
    if (frames.length === FRAMES_MAX) break;
  }
  return frames;
}

/** The value of `stack` if an app has set `Error.prepareStackTrace` (https://v8.dev/docs/stack-trace-api). */
function prepareStack(error, raw) {
  const sites = toCallSites(raw);
  // Programs that look at their caller expect that a stack has several calls.
  while (sites.length < CALLERS_MIN) sites.push(new CallSite('', 1, 1, false));
  return Error.prepareStackTrace(error, sites);
}

const native = Object.getOwnPropertyDescriptor(Error.prototype, 'stack');

/** `TypeError: x is not a function`, in one line or more. */
export function headOf(error) {
  try {
    return String(Error.prototype.toString.call(error));
  } catch {
    return 'Error';
  }
}

function stackOf(error) {
  const raw = native.get.call(error);
  if (typeof raw !== 'string') return raw;
  if (typeof Error.prepareStackTrace === 'function') return prepareStack(error, raw);
  const frames = toFrames(raw);
  if (frames.length === 0) {
    const place = placeOfSyntaxError(error);
    if (place) frames.push(`    at ${place}`);
  }
  return [headOf(error), ...frames].join('\n');
}

/** A bundle with a syntax error has no stack, only a place. */
function placeOfSyntaxError(error) {
  const isOfBundle = error instanceof SyntaxError && String(error.fileName).endsWith('> AsyncFunction');
  return isOfBundle ? locate(error.lineNumber, error.columnNumber) : undefined;
}

Object.defineProperty(Error.prototype, 'stack', {
  configurable: true,
  get() {
    return stackOf(this);
  },
  set(value) {
    Object.defineProperty(this, 'stack', { configurable: true, writable: true, value });
  },
});

const nativeCapture = Error.captureStackTrace;
Error.captureStackTrace = function captureStackTrace(target, below) {
  nativeCapture.call(Error, target, below);
  const { stack } = target;
  if (typeof stack === 'string') {
    const isPrepared = typeof Error.prepareStackTrace === 'function';
    const value = isPrepared ? prepareStack(target, stack) : [headOf(target), ...toFrames(stack)].join('\n');
    Object.defineProperty(target, 'stack', { configurable: true, writable: true, value });
  }
};
Error.stackTraceLimit = FRAMES_MAX;

/** Describes a thrown value for a log: message, stack, and causes. */
export function describe(error, depth = 0) {
  if (!(error instanceof Error)) return undefined;
  const { stack } = error;
  const head = headOf(error);
  // A stack that was made before the message was changed, or by somebody else, may lack it.
  let text = typeof stack === 'string' && stack !== '' ? mapText(stack) : head;
  if (!text.includes(error.message)) text = `${head}\n${text}`;
  if (depth === CAUSES_MAX) return text;
  const further = error instanceof AggregateError ? error.errors : [];
  for (const inner of further) {
    text += `\n  [error]: ${(describe(inner, depth + 1) ?? String(inner)).replaceAll('\n', '\n  ')}`;
  }
  if (error.cause !== undefined) {
    text += `\n  [cause]: ${(describe(error.cause, depth + 1) ?? String(error.cause)).replaceAll('\n', '\n  ')}`;
  }
  return text;
}

/** Describes a thrown value in one line. */
export function summarize(error) {
  const text = error instanceof Error ? headOf(error) : `${typeof error} thrown: ${String(error)}`;
  return text.split('\n', 1)[0].slice(0, 500);
}
