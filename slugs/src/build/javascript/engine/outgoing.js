// The response that the host sends.

import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam } from 'wasi:http/types@0.2.10';

export class OutgoingStream {
  #body;
  #stream;

  /** Sends the head of a response: a status, and headers as pairs of a name and bytes. */
  constructor(responseOut, status, headers) {
    const head = new OutgoingResponse(Fields.fromList(headers));
    head.setStatusCode(status);
    this.#body = head.body();
    ResponseOutparam.set(responseOut, { tag: 'ok', val: head });
    this.#stream = this.#body.write();
  }

  /** Waits for space in the output buffer, so that a slow client slows the app down. Fails if the client has left. */
  write(bytes) {
    for (let at = 0; at < bytes.length; ) {
      const room = Number(this.#stream.checkWrite());
      if (room === 0) {
        const more = this.#stream.subscribe();
        more.block();
        more[Symbol.dispose]();
        continue;
      }
      this.#stream.write(at === 0 && bytes.length <= room ? bytes : bytes.subarray(at, at + room));
      at += room;
    }
  }

  /** Ends the body. Trailers are pairs of a name and bytes. Fails if the body is not as long as was announced. */
  finish(trailers) {
    const body = this.#release();
    OutgoingBody.finish(body, trailers && Fields.fromList(trailers));
  }

  /** Drops the body unfinished: the host then breaks the response off. */
  abort() {
    this.#release()?.[Symbol.dispose]();
  }

  /** Closes the stream, and returns the body. The host ends an instance that closes a handle twice. */
  #release() {
    const body = this.#body;
    this.#stream?.[Symbol.dispose]();
    this.#body = this.#stream = undefined;
    return body;
  }
}

/** Whether an error of a write says that the client has left, which is no error of the app. */
export function isClientGone(error) {
  return error?.payload?.tag === 'closed' || error?.payload?.tag === 'last-operation-failed';
}

/** Describes why a body cannot be finished, for a log line. */
export function describeUnfinished(error) {
  const isLength = /body-size|content-length/i.test(error?.payload?.tag ?? '');
  return isLength ? 'its body is not as long as its content-length says' : `its body cannot be finished: ${error?.payload?.tag ?? error}`;
}
