// The app's files, read through WASI: the bundle and its map, settings, static files.

import { getDirectories } from 'wasi:filesystem/preopens@0.2.10';
import { joinBytes, ownBytes } from './body.js';

/** Bytes of a file that are read at a time. */
const READ_BYTES = 1024n * 1024n;

let root;

function openFile(path) {
  root ??= getDirectories().find(([, name]) => name === '/')?.[0];
  if (!root) throw new Error('the app has no files');
  return root.openAt({ symlinkFollow: true }, path, {}, { read: true });
}

/** Returns the bytes of a whole file, or undefined if there is no such file. */
export function readFile(path) {
  let file;
  try {
    file = openFile(path);
  } catch (error) {
    if (error?.payload === undefined) throw error;
    return undefined;
  }
  try {
    const pieces = [];
    let length = 0;
    for (let at = 0n; ; at = BigInt(length)) {
      let bytes;
      let isEnd;
      try {
        [bytes, isEnd] = file.read(READ_BYTES, at);
      } catch (error) {
        // A folder can be opened but not read.
        if (error?.payload === undefined) throw error;
        return undefined;
      }
      if (bytes.length > 0) pieces.push(ownBytes(bytes));
      length += bytes.length;
      if (isEnd || bytes.length === 0) break;
    }
    return joinBytes(pieces, length);
  } finally {
    // The host limits handles, and the engine may never collect one that is not closed.
    file[Symbol.dispose]();
  }
}

const decoder = new TextDecoder();

export function readText(path) {
  const bytes = readFile(path);
  return bytes && decoder.decode(bytes);
}
