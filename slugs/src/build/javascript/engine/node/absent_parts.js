// The parts of Node.js that a dyno lacks. The bundler reads this table too.

/** By name, each with what to do instead. Packages may import them; an app may not. */
export const ABSENT = {
  child_process: 'a dyno starts no processes: a process type of the Procfile runs beside `web`',
  cluster: 'the number of dynos is what scales: `dyno ps scale web=4`',
  dgram: 'there are no sockets in this engine; speak HTTP with `fetch`',
  dns: 'there is no need: `fetch` looks names up',
  'dns/promises': 'there is no need: `fetch` looks names up',
  domain: 'catch errors where they happen',
  http2: 'use `node:http`; the router speaks HTTP/2 for it',
  inspector: 'a dyno has no debugger',
  'inspector/promises': 'a dyno has no debugger',
  net: 'there are no sockets in this engine; serve with `node:http`, and call with `fetch`',
  readline: 'a dyno has no terminal',
  'readline/promises': 'a dyno has no terminal',
  repl: 'a dyno has no terminal',
  sqlite: 'use a database (`dyno addons create postgresql`)',
  test: 'run the tests before you build',
  tls: 'there are no sockets in this engine; speak HTTPS with `fetch`',
  trace_events: 'a dyno has no tracer',
  vm: 'the engine has one context: `new Function(…)` makes code of text',
  wasi: 'the engine runs inside of WebAssembly and cannot run more of it',
  worker_threads: 'a dyno has one thread; the number of dynos is what scales',
};
