// Names of HTTP.

export { METHODS, STATUS_CODES } from 'unenv/node/internal/http/constants';

/** Largest head of a request, in bytes, that the router passes on. */
export const maxHeaderSize = 16384;
