// The functions of `node:fs` that end with `Sync`, over `wasi:filesystem`. The app's own files are read-only; `./tmp` and
// `./log` are writable.

import path from 'path-browserify';
import { joinBytes, ownBytes } from '../../body.js';
import { Buffer } from '../buffer.js';
import { callHost, makeFileError } from './errors.js';
import { locate, toPath } from './paths.js';
import { Dirent, Stats } from './stats.js';

/** Bytes of a file that are read at a time. */
const READ_BYTES = 1024 * 1024;
/** The first number for files: those below are the standard streams. */
const FIRST_FD = 3;
/** Most files that are open at the same time. The host limits handles as well. */
const OPEN_MAX = 256;
export const constants = {
  F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1,
  COPYFILE_EXCL: 1, COPYFILE_FICLONE: 2, COPYFILE_FICLONE_FORCE: 4,
  O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, O_CREAT: 64, O_EXCL: 128, O_TRUNC: 512, O_APPEND: 1024, O_DIRECTORY: 65536, O_NOFOLLOW: 131072, O_SYNC: 1052672,
  S_IFMT: 61440, S_IFREG: 32768, S_IFDIR: 16384, S_IFCHR: 8192, S_IFBLK: 24576, S_IFIFO: 4096, S_IFLNK: 40960, S_IFSOCK: 49152,
};

/** Open files: `{ descriptor, position, isAppending, path }` by number. */
const files = new Map();

/** How a file is opened, by the flags of Node.js. */
function readFlags(flags = 'r') {
  if (typeof flags === 'number') {
    const { O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND } = constants;
    const isWriting = (flags & (O_WRONLY | O_RDWR)) !== 0;
    return {
      open: { create: (flags & O_CREAT) !== 0, exclusive: (flags & O_EXCL) !== 0, truncate: (flags & O_TRUNC) !== 0 },
      access: isWriting ? { read: (flags & O_WRONLY) === 0, write: true } : { read: true },
      isAppending: (flags & O_APPEND) !== 0,
    };
  }
  const match = /^(r|w|a)([xs]?)(\+?)([xs]?)$/.exec(flags);
  if (!match) throw Object.assign(new TypeError(`The argument 'flags' is invalid. Received '${flags}'`), { code: 'ERR_INVALID_ARG_VALUE' });
  const [, kind, , plus] = match;
  return {
    open: { create: kind !== 'r', exclusive: flags.includes('x'), truncate: kind === 'w' },
    access: { read: kind === 'r' || plus === '+', write: kind !== 'r' || plus === '+' },
    isAppending: kind === 'a',
  };
}

function openDescriptor(absolute, flags, syscall = 'open') {
  const { open, access } = readFlags(flags);
  const [folder, inner] = locate(absolute, syscall);
  return callHost(() => folder.openAt({ symlinkFollow: true }, inner, open, access), syscall, absolute);
}

/** Calls a function with the descriptor of a file, which is closed after it: the engine may never collect it. */
function withFile(absolute, flags, use) {
  const descriptor = openDescriptor(absolute, flags);
  try {
    return use(descriptor);
  } finally {
    descriptor[Symbol.dispose]();
  }
}

function fileOf(fd, syscall) {
  const file = files.get(fd);
  if (!file) throw makeFileError('bad-descriptor', syscall);
  return file;
}

function openSync(name, flags) {
  if (files.size >= OPEN_MAX) throw Object.assign(makeFileError('no-entry', 'open', toPath(name)), { code: 'EMFILE', errno: -24, message: 'EMFILE: too many open files, open' });
  const absolute = toPath(name);
  const descriptor = openDescriptor(absolute, flags);
  let fd = FIRST_FD;
  while (files.has(fd)) fd += 1;
  files.set(fd, { descriptor, position: 0, isAppending: readFlags(flags).isAppending, path: absolute });
  return fd;
}

function closeSync(fd) {
  if (fd >= 0 && fd < FIRST_FD) return;
  fileOf(fd, 'close').descriptor[Symbol.dispose]();
  files.delete(fd);
}

/** Reads at most this many bytes: the host may give fewer. Returns bytes, empty at the end of the file. */
function readBytes(descriptor, length, position, syscall, name) {
  const [bytes] = callHost(() => descriptor.read(BigInt(length), BigInt(position)), syscall, name);
  return ownBytes(bytes);
}

function readSync(fd, buffer, offset, length, position) {
  if (typeof offset === 'object' && offset !== null) ({ offset, length, position } = offset);
  offset ??= 0;
  length ??= buffer.byteLength - offset;
  const file = fileOf(fd, 'read');
  const hasPosition = typeof position === 'number' || typeof position === 'bigint';
  const at = hasPosition ? Number(position) : file.position;
  const bytes = length === 0 ? [] : readBytes(file.descriptor, Math.min(length, READ_BYTES), at, 'read', file.path);
  new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength).set(bytes, offset);
  if (!hasPosition) file.position += bytes.length;
  return bytes.length;
}

function readWhole(descriptor, name) {
  const pieces = [];
  let length = 0;
  for (let piece; (piece = readBytes(descriptor, READ_BYTES, length, 'read', name)).length > 0; length += piece.length) pieces.push(piece);
  const bytes = joinBytes(pieces, length);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const encodingOf = (options) => (typeof options === 'string' ? options : options?.encoding);
const decoded = (bytes, options) => (encodingOf(options) && encodingOf(options) !== 'buffer' ? bytes.toString(encodingOf(options)) : bytes);

function readFileSync(name, options) {
  if (typeof name === 'number') return decoded(readWhole(fileOf(name, 'read').descriptor, fileOf(name, 'read').path), options);
  const absolute = toPath(name);
  if (statOf(absolute, 'open').isDirectory()) throw makeFileError('is-directory', 'read');
  return decoded(withFile(absolute, options?.flag, (descriptor) => readWhole(descriptor, absolute)), options);
}

const toBytes = (data, encoding) => (typeof data === 'string' ? Buffer.from(data, encoding) : Buffer.from(data.buffer, data.byteOffset, data.byteLength));

function writeBytes(descriptor, bytes, position, name) {
  let done = 0;
  while (done < bytes.length) {
    done += Number(callHost(() => descriptor.write(bytes.subarray(done, done + READ_BYTES), BigInt(position + done)), 'write', name));
  }
  return done;
}

const sizeOf = (descriptor, name) => Number(callHost(() => descriptor.stat(), 'fstat', name).size);

/** The standard streams: text goes to the log. */
function writeToStream(fd, bytes) {
  (fd === 2 ? globalThis.process.stderr : globalThis.process.stdout).write(bytes.toString());
  return bytes.length;
}

function writeSync(fd, data, offset, length, position) {
  let bytes;
  if (typeof data === 'string') {
    bytes = Buffer.from(data, typeof length === 'string' ? length : 'utf8');
    position = offset;
  } else {
    if (typeof offset === 'object' && offset !== null) ({ offset, length, position } = offset);
    offset ??= 0;
    bytes = toBytes(data).subarray(offset, offset + (length ?? data.byteLength - offset));
  }
  if (fd === 1 || fd === 2) return writeToStream(fd, bytes);
  const file = fileOf(fd, 'write');
  const hasPosition = typeof position === 'number' && !file.isAppending;
  const at = file.isAppending ? sizeOf(file.descriptor, file.path) : hasPosition ? position : file.position;
  writeBytes(file.descriptor, bytes, at, file.path);
  if (!hasPosition) file.position = at + bytes.length;
  return bytes.length;
}

function writeFileSync(name, data, options) {
  const bytes = typeof data === 'string' || ArrayBuffer.isView(data) ? toBytes(data, encodingOf(options)) : Buffer.from(String(data));
  if (typeof name === 'number') return void writeSync(name, bytes);
  const absolute = toPath(name);
  const flag = options?.flag ?? 'w';
  withFile(absolute, flag, (descriptor) => writeBytes(descriptor, bytes, readFlags(flag).isAppending ? sizeOf(descriptor, absolute) : 0, absolute));
}

const appendFileSync = (name, data, options) =>
  writeFileSync(name, data, { ...(typeof options === 'string' ? { encoding: options } : options), flag: options?.flag ?? 'a' });

function statOf(absolute, syscall, isFollowing = true) {
  const [folder, inner] = locate(absolute, syscall);
  return new Stats(callHost(() => folder.statAt({ symlinkFollow: isFollowing }, inner), syscall, absolute));
}

function orUndefined(run, options) {
  try {
    return run();
  } catch (error) {
    if (options?.throwIfNoEntry === false && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw error;
  }
}

const statSync = (name, options) => orUndefined(() => statOf(toPath(name), 'stat'), options);
const lstatSync = (name, options) => orUndefined(() => statOf(toPath(name), 'lstat', false), options);

function fstatSync(fd) {
  if (fd >= 0 && fd < FIRST_FD) return new Stats({ type: 'fifo', linkCount: 1n, size: 0n });
  const file = fileOf(fd, 'fstat');
  return new Stats(callHost(() => file.descriptor.stat(), 'fstat'));
}

function existsSync(name) {
  try {
    statOf(toPath(name), 'access');
    return true;
  } catch {
    return false;
  }
}

/** Whether an app may write at this path: only in `/tmp` and `/log`. The app's own files are read-only. */
const isWritable = (absolute) => /^\/(tmp|log)(\/|$)/.test(absolute);

function accessSync(name, mode = constants.F_OK) {
  const absolute = toPath(name);
  statOf(absolute, 'access');
  if (mode & constants.W_OK && !isWritable(absolute)) throw makeFileError('read-only', 'access', absolute);
}

function listEntries(absolute) {
  const descriptor = openDescriptor(absolute, constants.O_RDONLY, 'scandir');
  let stream;
  try {
    stream = callHost(() => descriptor.readDirectory(), 'scandir', absolute);
    const entries = [];
    for (let entry; (entry = callHost(() => stream.readDirectoryEntry(), 'scandir', absolute)); ) entries.push(entry);
    return entries.sort((one, other) => (one.name < other.name ? -1 : 1));
  } finally {
    stream?.[Symbol.dispose]();
    descriptor[Symbol.dispose]();
  }
}

function readdirSync(name, options) {
  const absolute = toPath(name);
  const listed = [];
  const visit = (folder, prefix) => {
    for (const { name: inner, type } of listEntries(folder)) {
      listed.push(options?.withFileTypes ? new Dirent(inner, folder, type) : prefix + inner);
      if (options?.recursive && type === 'directory') visit(`${folder}/${inner}`, `${prefix}${inner}/`);
    }
  };
  visit(absolute, '');
  return encodingOf(options) === 'buffer' ? listed.map((entry) => Buffer.from(entry)) : listed;
}

function inFolder(name, syscall, call) {
  const absolute = toPath(name);
  const [folder, inner] = locate(absolute, syscall);
  callHost(() => call(folder, inner), syscall, absolute);
}

function mkdirSync(name, options) {
  const absolute = toPath(name);
  if (!options?.recursive) return inFolder(absolute, 'mkdir', (folder, inner) => folder.createDirectoryAt(inner));
  let first;
  let at = '';
  for (const part of absolute.split('/').filter(Boolean)) {
    at += `/${part}`;
    if (orUndefined(() => statOf(at, 'mkdir'), { throwIfNoEntry: false })?.isDirectory()) continue;
    mkdirSync(at);
    first ??= at;
  }
  return first;
}

const unlinkSync = (name) => inFolder(name, 'unlink', (folder, inner) => folder.unlinkFileAt(inner));

function rmdirSync(name, options) {
  if (options?.recursive) return rmSync(name, { recursive: true, force: true });
  return inFolder(name, 'rmdir', (folder, inner) => folder.removeDirectoryAt(inner));
}

function rmSync(name, { recursive = false, force = false } = {}) {
  const stats = lstatSync(name, { throwIfNoEntry: !force });
  if (!stats) return;
  if (!stats.isDirectory()) return unlinkSync(name);
  if (!recursive) throw makeFileError('is-directory', 'rm', toPath(name));
  for (const inner of readdirSync(name)) rmSync(path.join(toPath(name), inner), { recursive, force });
  rmdirSync(name);
}

function renameSync(from, to) {
  const [source, target] = [toPath(from), toPath(to)];
  const [folder, inner] = locate(source, 'rename');
  const [otherFolder, otherInner] = locate(target, 'rename');
  callHost(() => folder.renameAt(inner, otherFolder, otherInner), 'rename', source, target);
}

function copyFileSync(from, to, mode = 0) {
  const flag = mode & constants.COPYFILE_EXCL ? 'wx' : 'w';
  writeFileSync(to, readFileSync(from), { flag });
}

function cpSync(from, to, options = {}) {
  if (!statSync(from).isDirectory()) return copyFileSync(from, to);
  if (!options.recursive) throw makeFileError('is-directory', 'cp', toPath(from));
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) cpSync(path.join(toPath(from), name), path.join(toPath(to), name), options);
}

function truncateSync(name, length = 0) {
  if (typeof name === 'number') return ftruncateSync(name, length);
  withFile(toPath(name), 'r+', (descriptor) => callHost(() => descriptor.setSize(BigInt(length)), 'ftruncate', toPath(name)));
}

function ftruncateSync(fd, length = 0) {
  callHost(() => fileOf(fd, 'ftruncate').descriptor.setSize(BigInt(length)), 'ftruncate');
}

function mkdtempSync(prefix) {
  const made = `${prefix}${[...crypto.getRandomValues(new Uint8Array(6))].map((byte) => (byte % 36).toString(36)).join('')}`;
  mkdirSync(made);
  return made;
}

function realpathSync(name) {
  const absolute = toPath(name);
  statOf(absolute, 'realpath');
  return absolute;
}
realpathSync.native = realpathSync;

/** Modes, owners and times are the platform's. */
const checkExists = (name) => void statOf(toPath(name), 'chmod');

export default {
  accessSync, appendFileSync, chmodSync: checkExists, chownSync: checkExists, closeSync, copyFileSync, cpSync, existsSync,
  fdatasyncSync() {}, fstatSync, fsyncSync() {}, ftruncateSync, futimesSync() {}, lstatSync, mkdirSync, mkdtempSync, openSync,
  readFileSync, readSync, readdirSync, realpathSync, renameSync, rmSync, rmdirSync, statSync, truncateSync, unlinkSync,
  utimesSync: checkExists, writeFileSync, writeSync,
};
