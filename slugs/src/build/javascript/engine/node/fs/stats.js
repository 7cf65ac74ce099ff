// Facts about files: `Stats` and `Dirent`.

const FORMATS = { 'regular-file': 0o100000, directory: 0o040000, 'symbolic-link': 0o120000, 'character-device': 0o020000, fifo: 0o010000, socket: 0o140000 };
const KINDS = {
  isFile: 'regular-file',
  isDirectory: 'directory',
  isSymbolicLink: 'symbolic-link',
  isCharacterDevice: 'character-device',
  isBlockDevice: 'block-device',
  isFIFO: 'fifo',
  isSocket: 'socket',
};

const milliseconds = (time) => (time ? Number(time.seconds) * 1000 + time.nanoseconds / 1e6 : 0);

export class Stats {
  #kind;

  /** From a `descriptor-stat` of `wasi:filesystem`. */
  constructor({ type, linkCount, size, dataAccessTimestamp, dataModificationTimestamp, statusChangeTimestamp }) {
    this.#kind = type;
    Object.assign(this, { dev: 0, mode: (FORMATS[type] ?? 0) | (type === 'directory' ? 0o755 : 0o644) });
    Object.assign(this, { nlink: Number(linkCount), uid: 0, gid: 0, rdev: 0, blksize: 4096, ino: 0 });
    this.size = Number(size);
    this.blocks = Math.ceil(this.size / 512);
    this.atimeMs = milliseconds(dataAccessTimestamp);
    this.mtimeMs = milliseconds(dataModificationTimestamp);
    this.ctimeMs = milliseconds(statusChangeTimestamp);
    this.birthtimeMs = this.mtimeMs;
    for (const name of ['atime', 'mtime', 'ctime', 'birthtime']) this[name] = new Date(this[`${name}Ms`]);
  }

  static {
    for (const [name, kind] of Object.entries(KINDS)) {
      Stats.prototype[name] = function isOfKind() {
        return this.#kind === kind;
      };
    }
  }
}

export class Dirent {
  #kind;

  constructor(name, parentPath, kind) {
    Object.assign(this, { name, parentPath, path: parentPath });
    this.#kind = kind;
  }

  static {
    for (const [name, kind] of Object.entries(KINDS)) {
      Dirent.prototype[name] = function isOfKind() {
        return this.#kind === kind;
      };
    }
  }
}
