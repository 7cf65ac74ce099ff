// `node:fs`: each function with a callback, with a promise, and synchronous. The host's files answer at once, so all
// three forms call the synchronous one.

import { Buffer } from './buffer.js';
import { absentError } from './absent.js';
import { ReadStream, WriteStream } from './fs/streams.js';
import { Dirent, Stats } from './fs/stats.js';
import sync, { constants } from './fs/sync.js';
import util from './util.js';

const ABSENT = ['link', 'lchown', 'lutimes', 'opendir', 'readlink', 'statfs', 'symlink', 'unwatchFile', 'watch', 'watchFile', 'openAsBlob', 'glob'];

const callbacks = {};
const promises = { constants };
for (const [syncName, run] of Object.entries(sync)) {
  const name = syncName.slice(0, -'Sync'.length);
  callbacks[name] = (...values) => {
    const done = values.pop();
    if (typeof done !== 'function') throw Object.assign(new TypeError('The "cb" argument must be of type function'), { code: 'ERR_INVALID_ARG_TYPE' });
    let result;
    try {
      result = run(...values);
    } catch (error) {
      if (error.code === 'ERR_INVALID_ARG_TYPE') throw error;
      queueMicrotask(() => done(error));
      return;
    }
    queueMicrotask(() => done(null, result));
  };
  promises[name] = async (...values) => run(...values);
}

callbacks.exists = (name, done) => queueMicrotask(() => done(sync.existsSync(name)));
callbacks.exists[util.promisify.custom] = async (name) => sync.existsSync(name);
/** `fs.read` and `fs.write` hand the buffer back as well. */
for (const [name, run] of [['read', sync.readSync], ['write', sync.writeSync]]) {
  callbacks[name] = (fd, data, ...rest) => {
    const done = rest.pop();
    let count;
    try {
      count = run(fd, data, ...rest);
    } catch (error) {
      queueMicrotask(() => done(error));
      return;
    }
    queueMicrotask(() => done(null, count, data));
  };
}
callbacks.realpath.native = callbacks.realpath;

class FileHandle {
  constructor(fd) {
    this.fd = fd;
  }

  async read(buffer, ...rest) {
    const given = ArrayBuffer.isView(buffer) ? buffer : (buffer?.buffer ?? Buffer.alloc(16 * 1024));
    const options = ArrayBuffer.isView(buffer) ? rest : [buffer?.offset, buffer?.length, buffer?.position];
    return { bytesRead: sync.readSync(this.fd, given, ...options), buffer: given };
  }

  async write(data, ...rest) {
    return { bytesWritten: sync.writeSync(this.fd, data, ...rest), buffer: data };
  }

  readFile = async (options) => sync.readFileSync(this.fd, options);
  writeFile = async (data, options) => sync.writeFileSync(this.fd, data, options);
  appendFile = async (data, options) => sync.writeFileSync(this.fd, data, options);
  stat = async () => sync.fstatSync(this.fd);
  truncate = async (length) => sync.ftruncateSync(this.fd, length);
  sync = async () => {};
  datasync = async () => {};
  createReadStream = (options) => new ReadStream(undefined, { ...options, fd: this.fd });
  createWriteStream = (options) => new WriteStream(undefined, { ...options, fd: this.fd });

  async close() {
    if (this.fd === -1) return;
    sync.closeSync(this.fd);
    this.fd = -1;
  }

  [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    return this.close();
  }
}

promises.open = async (name, flags) => new FileHandle(sync.openSync(name, flags));
const readByName = promises.readFile;
promises.readFile = async (name, options) => readByName(name instanceof FileHandle ? name.fd : name, options);
for (const name of ['close', 'exists', 'fstat', 'read', 'write']) delete promises[name];

for (const name of ABSENT) {
  const fail = () => {
    throw absentError('fs', name);
  };
  callbacks[name] = fail;
  callbacks[`${name}Sync`] = fail;
  promises[name] = async () => fail();
}

export { promises };

export default {
  ...constants,
  ...sync,
  ...callbacks,
  Dirent,
  FileReadStream: ReadStream,
  FileWriteStream: WriteStream,
  ReadStream,
  Stats,
  WriteStream,
  constants,
  createReadStream: (name, options) => new ReadStream(name, options),
  createWriteStream: (name, options) => new WriteStream(name, options),
  promises,
};
