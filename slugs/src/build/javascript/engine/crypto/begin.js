// While the component is made, no random bytes may be requested: every dyno would get the same ones. @noble/curves
// requests some when it is loaded, only to see whether that works, and does not keep them.

const own = Object.getOwnPropertyDescriptor(globalThis.crypto, 'getRandomValues');

Object.defineProperty(globalThis.crypto, 'getRandomValues', { configurable: true, value: (bytes) => bytes.fill(1) });

/** Restores the engine's own function; called when everything is loaded. */
export function restoreRandom() {
  if (own) Object.defineProperty(globalThis.crypto, 'getRandomValues', own);
  else delete globalThis.crypto.getRandomValues;
}
