// Streams of files.

import stream from '../stream.js';
import { Buffer } from '../buffer.js';
import sync from './sync.js';

const { Readable, Writable } = stream;
/** Bytes of a file that are read at a time, as in Node.js. */
const READ_BYTES = 64 * 1024;

export class ReadStream extends Readable {
  constructor(path, options = {}) {
    if (typeof options === 'string') options = { encoding: options };
    const { start, end = Number.POSITIVE_INFINITY, fd, flags = 'r', highWaterMark = READ_BYTES, encoding, autoClose = true, signal } = options;
    super({ highWaterMark, encoding, autoDestroy: autoClose, signal });
    Object.assign(this, { path, flags, start, end, autoClose, bytesRead: 0, pos: start });
    this.fd = numberOf(fd);
  }

  get pending() {
    return this.fd === null;
  }

  _construct(done) {
    openFile(this, done);
  }

  _read(size) {
    const left = this.end - (this.start ?? 0) + 1 - this.bytesRead;
    const wanted = Math.min(size, READ_BYTES, left);
    if (wanted <= 0) return void this.push(null);
    const buffer = Buffer.allocUnsafe(wanted);
    try {
      const length = sync.readSync(this.fd, buffer, 0, wanted, this.pos);
      this.bytesRead += length;
      if (this.pos !== undefined) this.pos += length;
      this.push(length === 0 ? null : buffer.subarray(0, length));
    } catch (error) {
      this.destroy(error);
    }
  }

  _destroy(error, done) {
    closeFile(this);
    done(error);
  }

  close(done) {
    if (done) this.once('close', done);
    this.destroy();
  }
}

export class WriteStream extends Writable {
  constructor(path, options = {}) {
    if (typeof options === 'string') options = { encoding: options };
    const { start, fd, flags = 'w', encoding = 'utf8', autoClose = true, highWaterMark, signal } = options;
    super({ highWaterMark, defaultEncoding: encoding, autoDestroy: autoClose, decodeStrings: true, signal });
    Object.assign(this, { path, flags, start, autoClose, bytesWritten: 0, pos: start });
    this.fd = numberOf(fd);
  }

  get pending() {
    return this.fd === null;
  }

  _construct(done) {
    openFile(this, done);
  }

  _write(bytes, _, done) {
    try {
      const length = sync.writeSync(this.fd, bytes, 0, bytes.length, this.pos);
      this.bytesWritten += length;
      if (this.pos !== undefined) this.pos += length;
      done();
    } catch (error) {
      done(error);
    }
  }

  _destroy(error, done) {
    closeFile(this);
    done(error);
  }

  close(done) {
    if (done) this.once('close', () => done());
    this.end();
  }

  destroySoon() {
    this.end();
  }
}

/** The number of a file that is given as a number or a FileHandle; null if the stream opens its file itself. */
function numberOf(fd) {
  return typeof fd === 'object' && fd !== null ? fd.fd : (fd ?? null);
}

function openFile(stream, done) {
  try {
    if (stream.fd === null) stream.fd = sync.openSync(stream.path, stream.flags);
  } catch (error) {
    done(error);
    return;
  }
  done();
  stream.emit('open', stream.fd);
  stream.emit('ready');
}

function closeFile(stream) {
  if (stream.fd === null) return;
  try {
    sync.closeSync(stream.fd);
  } catch {
    // The app has closed the file itself.
  }
  stream.fd = null;
}
