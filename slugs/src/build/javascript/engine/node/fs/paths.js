// The app's paths: how a path becomes absolute, and in which folder of the host it lies.

import { getDirectories } from 'wasi:filesystem/preopens@0.2.10';
import path from 'path-browserify';
import { Buffer } from '../buffer.js';
import { makeFileError } from './errors.js';

let folders;

/** The host's folders, the innermost first: `[descriptor, absolute path]`. */
function hostFolders() {
  folders ??= getDirectories()
    .map(([descriptor, name]) => [descriptor, path.resolve('/', name)])
    .sort(([, one], [, other]) => other.length - one.length);
  return folders;
}

/** The absolute path that a string, a Buffer or a `file:` URL names. */
export function toPath(value) {
  if (value instanceof URL) {
    if (value.protocol !== 'file:') throw Object.assign(new TypeError('The URL must be of scheme file'), { code: 'ERR_INVALID_URL_SCHEME' });
    return path.resolve('/', decodeURIComponent(value.pathname));
  }
  const text = value instanceof Uint8Array ? Buffer.from(value).toString() : value;
  if (typeof text !== 'string') {
    const message = 'The "path" argument must be of type string or an instance of Buffer or URL';
    throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
  }
  if (text.includes('\0')) {
    const message = 'The "path" argument must be a string without null bytes';
    throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' });
  }
  return path.resolve('/', text);
}

/** The host's folder of an absolute path, and the path in it: `[descriptor, relative path]`. */
export function locate(absolute, syscall) {
  for (const [descriptor, name] of hostFolders()) {
    if (absolute === name) return [descriptor, '.'];
    const prefix = name === '/' ? '/' : `${name}/`;
    if (absolute.startsWith(prefix)) return [descriptor, absolute.slice(prefix.length)];
  }
  throw makeFileError('no-entry', syscall, absolute);
}
