// Hash functions by name.

import { sha1 } from '@noble/hashes/legacy.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { fail } from './key.js';

const FUNCTIONS = { 'SHA-1': sha1, 'SHA-256': sha256, 'SHA-384': sha384, 'SHA-512': sha512 };
export const HASH_BITS = { 'SHA-1': 1, 'SHA-256': 256, 'SHA-384': 384, 'SHA-512': 512 };

/** Returns the name of the hash in the parameters of an algorithm. */
export function hashOf(hash) {
  const name = String(typeof hash === 'object' ? hash?.name : hash).toUpperCase();
  if (!(name in FUNCTIONS)) fail('NotSupportedError', `there is no hash "${name}": SHA-1, SHA-256, SHA-384 or SHA-512`);
  return name;
}

hashOf.function = (hash) => FUNCTIONS[hashOf(hash)];
