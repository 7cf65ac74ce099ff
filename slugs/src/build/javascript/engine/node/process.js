// The parts of `process` that only programs of Node.js expect.

import { failServer } from '../servers.js';
import { listenForErrors } from '../tasks.js';
import stream from './stream.js';

/** The version of Node.js whose interfaces the modules follow. */
const VERSION = '22.12.0';

/** Makes `process` an emitter of events. Unhandled errors are such events; signals never come. */
export function extendProcess(EventEmitter) {
  const { process } = globalThis;
  const { stdout, stderr } = process;
  for (const name of ['on', 'once', 'addListener', 'off', 'removeListener', 'removeAllListeners', 'emit', 'listenerCount']) delete process[name];
  Object.setPrototypeOf(process, Object.create(EventEmitter.prototype, { constructor: { value: EventEmitter } }));
  EventEmitter.call(process);
  for (const [type, event] of [['error', 'uncaughtException'], ['unhandledrejection', 'unhandledRejection']]) {
    listenForErrors(type, (passed) => {
      if (process.listenerCount(event) === 0) return;
      passed.preventDefault();
      process.emit(event, passed.error, event);
    });
  }
  Object.assign(process, {
    argv: ['/usr/bin/node', '/app.js'],
    argv0: 'node',
    execPath: '/usr/bin/node',
    version: `v${VERSION}`,
    versions: { node: VERSION },
    release: { name: 'node' },
    config: { variables: {}, target_defaults: {} },
    features: {},
    ppid: 0,
    exitCode: undefined,
    getuid: () => 1000,
    geteuid: () => 1000,
    getgid: () => 1000,
    getegid: () => 1000,
    umask: () => 0o022,
    chdir() {
      throw new Error('process.chdir() is absent in a dyno: its folder is the app');
    },
    kill() {
      throw new Error('process.kill() is absent in a dyno: there are no other processes');
    },
    exit(code = process.exitCode ?? 0) {
      const error = new Error(`process.exit(${code}): a dyno that serves requests does not exit by itself`);
      failServer(error);
      throw error;
    },
    abort: () => process.exit(134),
    memoryUsage: Object.assign(() => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }), { rss: () => 0 }),
    cpuUsage: () => ({ user: 0, system: 0 }),
    resourceUsage: () => ({}),
    constrainedMemory: () => 0,
    binding() {
      throw new Error('process.binding() is absent in a dyno');
    },
    stdin: Object.assign(new stream.Readable({ read() { this.push(null); } }), { fd: 0, isTTY: false }),
    stdout: logStream(stdout, 1),
    stderr: logStream(stderr, 2),
  });
}

/** A stream of text that goes to the log. */
function logStream(lines, fd) {
  const made = new stream.Writable({
    decodeStrings: false,
    write(piece, _, done) {
      lines.write(typeof piece === 'string' ? piece : piece.toString());
      done();
    },
  });
  return Object.assign(made, { fd, isTTY: false, _type: 'pipe' });
}
