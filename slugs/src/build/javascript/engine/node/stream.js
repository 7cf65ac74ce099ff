// `node:stream`: the package readable-stream, which is Node.js's own code, and the streams of the web beside it.

import stream from 'readable-stream';
import { Buffer } from './buffer.js';

const { Duplex, Readable, Writable } = stream;

/** `Readable.toWeb`: a ReadableStream of the same pieces. */
Readable.toWeb = function toWeb(readable) {
  const iterator = readable[Symbol.asyncIterator]();
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(typeof value === 'string' ? Buffer.from(value) : value);
      },
      async cancel(reason) {
        readable.destroy(reason instanceof Error ? reason : undefined);
      },
    },
    { highWaterMark: 0 },
  );
};

/** `Readable.fromWeb`. */
Readable.fromWeb = function fromWeb(source, options = {}) {
  const reader = source.getReader();
  return new Readable({
    ...options,
    read() {
      reader.read().then(
        ({ done, value }) => this.push(done ? null : value instanceof Uint8Array ? Buffer.from(value) : value),
        (error) => this.destroy(error),
      );
    },
    destroy(error, done) {
      reader.cancel(error).then(() => done(error), () => done(error));
    },
  });
};

/** `Writable.toWeb`. */
Writable.toWeb = function toWeb(writable) {
  return new WritableStream({
    write: (piece) =>
      new Promise((resolve, reject) => writable.write(piece, (error) => (error ? reject(error) : resolve()))),
    close: () => new Promise((resolve) => writable.end(resolve)),
    abort: (reason) => void writable.destroy(reason),
  });
};

/** `Writable.fromWeb`. */
Writable.fromWeb = function fromWeb(target, options = {}) {
  const writer = target.getWriter();
  return new Writable({
    ...options,
    write: (piece, _, done) => void writer.write(piece).then(() => done(), done),
    final: (done) => void writer.close().then(() => done(), done),
  });
};

Duplex.toWeb ??= (duplex) => ({ readable: Readable.toWeb(duplex), writable: Writable.toWeb(duplex) });
stream.getDefaultHighWaterMark ??= (isObjects) => (isObjects ? 16 : 16 * 1024);

async function collect(source) {
  const pieces = [];
  for await (const piece of source) pieces.push(typeof piece === 'string' ? Buffer.from(piece) : piece);
  return Buffer.concat(pieces);
}

/** `node:stream/consumers`. */
export const consumers = {
  buffer: collect,
  arrayBuffer: async (source) => new Uint8Array(await collect(source)).buffer,
  blob: async (source) => new Blob([await collect(source)]),
  text: async (source) => (await collect(source)).toString(),
  json: async (source) => JSON.parse((await collect(source)).toString()),
};

/** `node:stream/web`: the globals. */
export const web = {
  ByteLengthQueuingStrategy: globalThis.ByteLengthQueuingStrategy,
  CompressionStream: globalThis.CompressionStream,
  CountQueuingStrategy: globalThis.CountQueuingStrategy,
  DecompressionStream: globalThis.DecompressionStream,
  ReadableStream: globalThis.ReadableStream,
  ReadableStreamDefaultReader: globalThis.ReadableStreamDefaultReader,
  TextDecoderStream: globalThis.TextDecoderStream,
  TextEncoderStream: globalThis.TextEncoderStream,
  TransformStream: globalThis.TransformStream,
  WritableStream: globalThis.WritableStream,
};

export default stream;
