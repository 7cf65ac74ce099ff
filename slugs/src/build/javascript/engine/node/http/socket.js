// The connection of a request, as far as apps look at it: the client's address, and whether the client is still connected.
// The connection itself is the router's.

import EventEmitter from '../events.js';

export class RequestSocket extends EventEmitter {
  encrypted;
  remoteAddress;
  destroyed = false;
  readable = true;
  writable = true;
  readyState = 'open';
  remoteFamily = 'IPv4';
  remotePort = 0;
  localAddress = '127.0.0.1';
  localPort;
  localFamily = 'IPv4';
  timeout = 0;
  bytesRead = 0;
  bytesWritten = 0;
  bufferSize = 0;

  constructor(remoteAddress, isEncrypted) {
    super();
    this.remoteAddress = remoteAddress;
    this.encrypted = isEncrypted;
    if (remoteAddress.includes(':')) this.remoteFamily = 'IPv6';
    this.localPort = Number(globalThis.process?.env?.PORT) || 80;
  }

  address() {
    return { address: this.localAddress, family: this.localFamily, port: this.localPort };
  }

  /** Ends the exchange: the response of this connection is broken off. */
  destroy(error) {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.readable = this.writable = false;
    this.readyState = 'closed';
    this._httpMessage?.destroy(error);
    queueMicrotask(() => this.emit('close', error !== undefined));
    return this;
  }

  end() {
    return this.destroy();
  }

  destroySoon() {
    this.destroy();
  }

  setTimeout() {
    return this;
  }

  setNoDelay() {
    return this;
  }

  setKeepAlive() {
    return this;
  }

  cork() {}

  uncork() {}

  pause() {
    return this;
  }

  resume() {
    return this;
  }

  ref() {
    return this;
  }

  unref() {
    return this;
  }

  getPeerCertificate() {
    return {};
  }
}
