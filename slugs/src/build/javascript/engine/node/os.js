// `node:os`: facts about the machine that a dyno shows to apps.

import * as constants from 'unenv/node/internal/os/constants';

export default {
  EOL: '\n',
  arch: () => 'wasm32',
  availableParallelism: () => 1,
  constants: { ...constants },
  cpus: () => [{ model: 'wasm32', speed: 0, times: { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 } }],
  devNull: '/dev/null',
  endianness: () => 'LE',
  freemem: () => 64 * 2 ** 20,
  getPriority: () => 0,
  homedir: () => '/',
  hostname: () => globalThis.process.env.DYNO ?? 'dyno',
  loadavg: () => [0, 0, 0],
  machine: () => 'wasm32',
  networkInterfaces: () => ({}),
  platform: () => 'linux',
  release: () => '',
  tmpdir: () => '/tmp',
  totalmem: () => 128 * 2 ** 20,
  type: () => 'Linux',
  uptime: () => globalThis.process.uptime(),
  userInfo: () => ({ username: 'dyno', uid: -1, gid: -1, shell: null, homedir: '/' }),
  version: () => '',
};
