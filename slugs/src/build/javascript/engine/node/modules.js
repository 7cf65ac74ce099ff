// The parts of Node.js, by name. They are in memory when a dyno starts; a program that uses none of them loses nothing.

import assert from 'assert';
import path from 'path-browserify';
import stringDecoder from 'string_decoder';
import * as punycode from 'unenv/node/punycode';
import * as querystring from 'unenv/node/querystring';
import * as url from 'unenv/node/url';

import { ABSENT_VALUES, makeAbsentModule } from './absent.js';
import asyncHooks from './async_hooks.js';
import buffer, { Buffer } from './buffer.js';
import crypto from './crypto.js';
import diagnosticsChannel from './diagnostics_channel.js';
import events from './events.js';
import fs, { promises as fsPromises } from './fs.js';
import { http, https } from './http.js';
import { finishBefore } from './http/server.js';
import moduleOfModules, { setModuleReader } from './module.js';
import net from './net.js';
import os from './os.js';
import { extendProcess } from './process.js';
import stream, { consumers, web } from './stream.js';
import timers, { promises as timersPromises } from './timers.js';
import util, { types } from './util.js';
import zlib from './zlib.js';

const posix = Object.assign(path, { posix: path, win32: path, toNamespacedPath: (name) => name });

/** `url.parse`. The package's function of this name warns of each use, since new programs have better. */
function parseUrl(text, parsesQuery, slashesDenoteHost) {
  if (text instanceof url.Url) return text;
  const parsed = new url.Url();
  parsed.parse(text, parsesQuery, slashesDenoteHost);
  return parsed;
}

const MODULES = {
  assert,
  'assert/strict': assert.strict,
  async_hooks: asyncHooks,
  buffer,
  get console() {
    return Object.assign(globalThis.console, { Console: class Console {} });
  },
  get constants() {
    return { ...os.constants.signals, ...os.constants.errno, ...fs.constants };
  },
  crypto,
  diagnostics_channel: diagnosticsChannel,
  events,
  fs,
  'fs/promises': fsPromises,
  http,
  https,
  module: moduleOfModules,
  net,
  os,
  path: posix,
  'path/posix': posix,
  'path/win32': posix,
  get perf_hooks() {
    return { performance: globalThis.performance, PerformanceObserver: class PerformanceObserver { observe() {} disconnect() {} }, constants: {} };
  },
  get process() {
    return globalThis.process;
  },
  punycode: { ...punycode },
  querystring: { ...querystring },
  stream,
  'stream/consumers': consumers,
  'stream/promises': stream.promises,
  'stream/web': web,
  string_decoder: stringDecoder,
  sys: util,
  timers,
  'timers/promises': timersPromises,
  tty: { isatty: () => false, ReadStream: class ReadStream {}, WriteStream: class WriteStream {} },
  url: { ...url, URL: globalThis.URL, URLSearchParams: globalThis.URLSearchParams, parse: parseUrl },
  util,
  'util/types': types,
  v8: { getHeapStatistics: () => ({ heap_size_limit: 0, used_heap_size: 0, total_heap_size: 0 }) },
  zlib,
};
util.isDeepStrictEqual = (one, other) => {
  try {
    assert.deepStrictEqual(one, other);
    return true;
  } catch {
    return false;
  }
};

const absent = new Map();

/** A part of Node.js. `names` are the functions of a part that a dyno lacks. */
export function nodeModule(name, names = []) {
  if (Object.hasOwn(MODULES, name)) return MODULES[name];
  if (!absent.has(name)) absent.set(name, makeAbsentModule(name, names, ABSENT_VALUES[name]));
  return absent.get(name);
}
setModuleReader((name) => (Object.hasOwn(MODULES, name) ? MODULES[name] : undefined));

/** Makes the globals that programs of Node.js expect. */
export function beginNode() {
  globalThis.Buffer = Buffer;
  extendProcess(events);
  const { fetch } = globalThis;
  globalThis.fetch = (...values) => finishBefore(fetch(...values));
}
