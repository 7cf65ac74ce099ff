// Checks the parts of Node.js's library, and answers with what differs from Node.js itself.
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import crypto from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import fs, { createReadStream, createWriteStream } from 'node:fs';
import { readFile, writeFile, mkdir, readdir, rm, open } from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import querystring from 'node:querystring';
import { pipeline, Readable, Transform } from 'node:stream';
import { pipeline as pipelinePromise } from 'node:stream/promises';
import { text } from 'node:stream/consumers';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as sleep } from 'node:timers/promises';
import url, { fileURLToPath } from 'node:url';
import util from 'node:util';
import zlib from 'node:zlib';

const require = createRequire(import.meta.url);
const here = path.dirname(fileURLToPath(import.meta.url));

const checks = {
  async files() {
    assert.equal(here, '/src');
    assert.equal(fs.readFileSync(path.join(here, '../data/words.txt'), 'utf8'), 'grüße\n');
    assert.deepEqual(await readdir('data'), ['words.txt']);
    assert.equal(fs.statSync('data/words.txt').size, 8);
    assert.ok(fs.statSync('data').isDirectory() && !fs.existsSync('nothing'));
    assert.throws(() => fs.readFileSync('nothing'), { code: 'ENOENT', syscall: 'open', path: '/nothing', errno: -2 });
    assert.throws(() => fs.readFileSync('data'), { code: 'EISDIR' });
    assert.throws(() => fs.writeFileSync('data/words.txt', ''), (error) => ['EROFS', 'EPERM', 'EACCES'].includes(error.code));
    await assert.rejects(readFile('nothing'), { code: 'ENOENT' });
    assert.equal(require('./data.json').key, 'value');
  },
  async writing() {
    await mkdir('tmp/a/b', { recursive: true });
    await writeFile('./tmp/a/b/file', 'one');
    fs.appendFileSync('tmp/a/b/file', Buffer.from(' two'));
    assert.equal(await readFile('/tmp/a/b/file', { encoding: 'utf8' }), 'one two');
    fs.renameSync('tmp/a/b/file', 'tmp/a/moved');
    const fd = fs.openSync('tmp/a/moved', 'r+');
    fs.writeSync(fd, 'ONE', 0);
    const part = Buffer.alloc(3);
    assert.equal(fs.readSync(fd, part, 0, 3, 4), 3);
    assert.equal(part.toString(), 'two');
    fs.closeSync(fd);
    assert.throws(() => fs.closeSync(fd), { code: 'EBADF' });
    const handle = await open('tmp/a/moved');
    assert.equal((await handle.readFile()).toString(), 'ONE two');
    await handle.close();
    await pipelinePromise(createReadStream('tmp/a/moved', { start: 1, end: 4 }), createWriteStream('tmp/copy'));
    assert.equal(fs.readFileSync('tmp/copy', 'latin1'), 'NE t');
    assert.throws(() => fs.rmdirSync('tmp/a'), { code: 'ENOTEMPTY' });
    await rm('tmp/a', { recursive: true });
    assert.ok(!fs.existsSync('tmp/a'));
    fs.statSync('tmp/copy', { throwIfNoEntry: false });
    await new Promise((done, fail) => fs.stat('tmp/none', (error) => (error?.code === 'ENOENT' ? done() : fail(error))));
  },
  digests() {
    const hex = (name, data) => crypto.createHash(name).update(data).digest('hex');
    // RFC 1321 A.5, and FIPS 180-4's examples for "abc".
    assert.equal(hex('md5', 'abc'), '900150983cd24fb0d6963f7d28e17f72');
    assert.equal(hex('sha1', 'abc'), 'a9993e364706816aba3e25717850c26c9cd0d89d');
    assert.equal(hex('sha256', 'abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    assert.equal(hex('RSA-SHA512', 'abc').slice(0, 16), 'ddaf35a193617aba');
    // RFC 4231, test case 2.
    const mac = crypto.createHmac('sha256', 'Jefe').update('what do ya want ').update('for nothing?').digest('hex');
    assert.equal(mac, '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
    // RFC 6070, test case 2, and RFC 7914, 12.
    assert.equal(crypto.pbkdf2Sync('password', 'salt', 2, 20, 'sha1').toString('hex'), 'ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957');
    assert.equal(crypto.scryptSync('', '', 64, { N: 16, r: 1, p: 1 }).toString('hex').slice(0, 16), '77d6576238657b20');
    const hash = crypto.createHash('sha1').update('a');
    hash.copy().digest();
    assert.equal(hash.update('bc').digest('base64url').length, 27);
    assert.throws(() => hash.update('x'), { code: 'ERR_CRYPTO_HASH_FINALIZED' });
    assert.throws(() => crypto.createHash('none'), /not supported/);
  },
  ciphers() {
    const [key, iv] = [crypto.randomBytes(32), crypto.randomBytes(12)];
    const cipher = crypto.createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from('more'));
    const sealed = Buffer.concat([cipher.update('a secret', 'utf8'), cipher.final()]);
    const open = (tag) => {
      const decipher = crypto.createDecipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from('more')).setAuthTag(tag);
      return decipher.update(sealed, null, 'utf8') + decipher.final('utf8');
    };
    assert.equal(open(cipher.getAuthTag()), 'a secret');
    assert.throws(() => open(Buffer.alloc(16)), /authenticate/);
    // NIST SP 800-38A, F.2.1, first block.
    const cbc = crypto.createCipheriv('aes-128-cbc', Buffer.from('2b7e151628aed2a6abf7158809cf4f3c', 'hex'), Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex'));
    cbc.setAutoPadding(false);
    const block = cbc.update('6bc1bee22e409f96e93d7e117393172a', 'hex', 'hex') + cbc.final('hex');
    assert.equal(block, '7649abac8119b246cee98e9b12e9197d');
    assert.ok(crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('a')));
    assert.throws(() => crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('ab')), RangeError);
    assert.ok(crypto.randomInt(5, 6) === 5 && crypto.randomUUID().length === 36);
    assert.throws(() => crypto.createSign('RSA-SHA256'), /Web Crypto/);
  },
  async compression() {
    const body = 'many words '.repeat(1000);
    assert.equal(zlib.gunzipSync(zlib.gzipSync(body)).toString(), body);
    assert.equal((await util.promisify(zlib.inflate)(zlib.deflateSync(body))).toString(), body);
    const unzipped = await text(Readable.from([zlib.gzipSync(body)]).pipe(zlib.createGunzip()));
    assert.equal(unzipped, body);
    assert.throws(() => zlib.gunzipSync(Buffer.from('no gzip')), { code: 'Z_DATA_ERROR' });
    assert.throws(() => zlib.brotliCompressSync(body), /absent in a dyno/);
  },
  async streams() {
    const upper = new Transform({ transform: (piece, _, done) => done(null, piece.toString().toUpperCase()) });
    assert.equal(await text(Readable.from(['a', 'b']).pipe(upper)), 'AB');
    const failed = new Promise((done) => pipeline(new Readable({ read() { this.destroy(new Error('broken')); } }), upper, done));
    assert.equal((await failed).message, 'broken');
    assert.equal(await new Response(Readable.toWeb(Readable.from([Buffer.from('web')]))).text(), 'web');
    assert.equal(await text(Readable.fromWeb(new Response('back').body)), 'back');
    assert.equal(new StringDecoder('utf8').write(Buffer.from([0xc3])), '');
  },
  async events() {
    const emitter = new EventEmitter();
    queueMicrotask(() => emitter.emit('ready', 7));
    assert.deepEqual(await once(emitter, 'ready'), [7]);
    assert.throws(() => emitter.emit('error', new Error('unheard')), /unheard/);
    await sleep(1);
    const order = [];
    setImmediate(() => order.push('immediate'));
    process.nextTick((word) => order.push(word), 'tick');
    await sleep(5);
    assert.deepEqual(order, ['tick', 'immediate']);
  },
  buffers() {
    assert.equal(Buffer.from('grüße').toString('base64'), 'Z3LDvMOfZQ==');
    assert.equal(Buffer.from('ff00', 'hex').readUInt16BE(0), 65280);
    assert.equal(Buffer.concat([Buffer.from('a'), Buffer.from('b')]).toString(), 'ab');
    assert.equal(Buffer.byteLength('ü'), 2);
    assert.equal(Buffer.from([0xef, 0xbb, 0xbf, 0x61]).toString().length, 2);
    assert.equal(Buffer.from('abc').subarray(1).toString('latin1'), 'bc');
    assert.ok(Buffer.from('a').equals(Buffer.from('a')) && globalThis.Buffer === Buffer);
    const target = Buffer.alloc(4);
    assert.equal(target.write('ü', 1), 2);
    assert.equal(target.toString('hex'), '00c3bc00');
  },
  names() {
    assert.equal(path.join('/a', '../b', 'c.txt'), '/b/c.txt');
    assert.equal(path.resolve('x'), '/x');
    assert.equal(url.parse('http://u:p@h:1/p?q=1#f', true).query.q, '1');
    assert.equal(url.pathToFileURL('/a b').href, 'file:///a%20b');
    assert.deepEqual({ ...querystring.parse('a=1&a=2') }, { a: ['1', '2'] });
    assert.equal(util.format('%s %d %j', 'a', 1, { b: 2 }), 'a 1 {"b":2}');
    assert.ok(util.isDeepStrictEqual({ a: [1] }, { a: [1] }) && !util.isDeepStrictEqual([1], ['1']));
    assert.equal(util.inspect({ a: { b: 1 } }), '{ a: { b: 1 } }');
    assert.equal(os.EOL, '\n');
    assert.ok(process.version.startsWith('v') && process.cwd() === '/');
    assert.equal(http.STATUS_CODES[418], "I'm a Teapot");
  },
  async client() {
    const called = http.request(`${process.env.BACKEND}/path?q=1`, { method: 'POST', headers: { 'X-Asked': 'yes' } });
    called.write('some ');
    called.end('body');
    const [answer] = await once(called, 'response');
    assert.equal(answer.statusCode, 201);
    assert.equal(answer.headers['x-answered'], 'yes');
    assert.equal(await text(answer), 'POST /path?q=1 yes some body');
    const refused = http.get('http://127.0.0.1:1/');
    const [error] = await once(refused, 'error').catch((error) => [error]);
    assert.equal(error.code, 'ECONNREFUSED');
  },
};

http.createServer(async (request, response) => {
  const failures = {};
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
    } catch (error) {
      failures[name] = String(error.stack);
    }
  }
  response.end(JSON.stringify(failures));
}).listen(process.env.PORT);
