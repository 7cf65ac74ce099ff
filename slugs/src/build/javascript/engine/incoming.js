// The request that the host hands over. Its parts are read from the host when the app uses them.

import { joinBytes, lengths, ownBytes } from './body.js';

/** Bytes of a body that are read at a time. */
const READ_BYTES = 64n * 1024n;

const decoder = new TextDecoder();

export class IncomingRequest {
  #request;
  #headers;
  #entries;
  #isOver = false;

  constructor(request) {
    this.#request = request;
    const { tag, val } = request.method();
    this.method = tag === 'other' ? val : tag.toUpperCase();
    const hasBody = tag !== 'get' && tag !== 'head';
    this.body = hasBody ? this.openBody() : null;
  }

  /** The body, also of a method that has none by custom. */
  openBody() {
    return new IncomingBody(this.#request, () => this.headers().get('content-length'));
  }

  /** Path and query. */
  target() {
    this.#requireOpen();
    return this.#request.pathWithQuery() ?? '/';
  }

  /** Path without query, for a log line. */
  path() {
    return this.#isOver ? '' : this.target().split('?', 1)[0];
  }

  url() {
    const scheme = this.headers().get('x-forwarded-proto') ?? 'http';
    return `${scheme}://${this.host()}${this.target()}`;
  }

  host() {
    this.#requireOpen();
    return this.#request.authority() ?? this.headers().get('host') ?? 'localhost';
  }

  /** Names and values, as bytes, in the order of the wire. */
  entries() {
    if (this.#entries) return this.#entries;
    this.#requireOpen();
    const fields = this.#request.headers();
    this.#entries = fields.entries();
    fields[Symbol.dispose]();
    return this.#entries;
  }

  headers() {
    if (this.#headers) return this.#headers;
    const headers = new Headers();
    for (const [name, value] of this.entries()) headers.append(name, decoder.decode(value));
    return (this.#headers = headers);
  }

  #requireOpen() {
    if (this.#isOver) throw new TypeError('the request is over: read what you need of it before the response ends');
  }

  close() {
    this.#isOver = true;
    this.body?.close();
  }
}

/** The body, read when the app asks for it. It ends where the client ends it; anything else is an error. */
class IncomingBody {
  #request;
  #announced;
  #body;
  #stream;
  #isOver = false;

  constructor(request, announced) {
    this.#request = request;
    this.#announced = announced;
  }

  /** The next piece, or undefined at the end. */
  read() {
    if (this.#isOver) throw new TypeError('the body is read after its request is over');
    try {
      this.#body ??= this.#request.consume();
      this.#stream ??= this.#body.stream();
      return ownBytes(this.#stream.blockingRead(READ_BYTES));
    } catch (error) {
      if (error?.payload?.tag === 'closed') return undefined;
      throw new TypeError('the request body broke off');
    }
  }

  async bytes() {
    const pieces = [];
    let length = 0;
    for (let piece; (piece = this.read()); length += piece.length) pieces.push(piece);
    return joinBytes(pieces, length);
  }

  open() {
    const pull = (controller) => {
      try {
        const piece = this.read();
        if (piece === undefined) controller.close();
        // A stream of bytes has no empty pieces.
        else if (piece.length > 0) controller.enqueue(piece);
        else pull(controller);
      } catch (error) {
        controller.error(error);
      }
    };
    const stream = new ReadableStream({ pull }, { highWaterMark: 0 });
    const length = this.#announced();
    if (length !== null) lengths.set(stream, length);
    return stream;
  }

  close() {
    this.#isOver = true;
    this.#stream?.[Symbol.dispose]();
    this.#body?.[Symbol.dispose]();
    this.#stream = this.#body = undefined;
  }
}
