// `node:http` and `node:https`.

import { Agent, ClientRequest, clientOf } from './http/client.js';
import { validateHeaderName, validateHeaderValue } from './http/fields.js';
import { IncomingMessage } from './http/incoming.js';
import { METHODS, STATUS_CODES, maxHeaderSize } from './http/names.js';
import { OutgoingMessage, ServerResponse } from './http/outgoing.js';
import { Server } from './http/server.js';

const createServer = (options, listener) => new Server(options, listener);
const globalAgent = new Agent();

export const http = {
  Agent,
  ClientRequest,
  IncomingMessage,
  METHODS,
  OutgoingMessage,
  STATUS_CODES,
  Server,
  ServerResponse,
  createServer,
  globalAgent,
  maxHeaderSize,
  setMaxIdleHTTPParsers() {},
  validateHeaderName,
  validateHeaderValue,
  ...clientOf('http:'),
};

/** Certificates are the router's: a server of `node:https` answers like one of `node:http`. */
export const https = { Agent, Server, createServer, globalAgent: new Agent(), ...clientOf('https:') };
