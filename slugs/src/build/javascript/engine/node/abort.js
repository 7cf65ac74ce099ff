// The package abort-controller of readable-stream: the globals.

export const { AbortController, AbortSignal } = globalThis;
export default AbortController;
