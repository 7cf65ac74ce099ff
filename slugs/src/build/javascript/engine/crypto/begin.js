// No random bytes may be asked for while the component is made: every dyno would have the same. @noble/curves asks
// when it is loaded, to see whether it can, and keeps nothing of the answer.

const own = Object.getOwnPropertyDescriptor(globalThis.crypto, 'getRandomValues');

Object.defineProperty(globalThis.crypto, 'getRandomValues', { configurable: true, value: (bytes) => bytes.fill(1) });

/** Gives back the engine's own; called when all is loaded. */
export function restoreRandom() {
  if (own) Object.defineProperty(globalThis.crypto, 'getRandomValues', own);
  else delete globalThis.crypto.getRandomValues;
}
