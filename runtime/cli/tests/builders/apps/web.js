// What a handler finds of the Web's own interfaces. Each route answers JSON, or what was asked for.

import { SignJWT, exportJWK, generateKeyPair, importJWK, importPKCS8, importSPKI, jwtVerify } from 'jose';

const { subtle } = crypto;
const encoder = new TextEncoder();
const hex = (data) => Array.from(new Uint8Array(data), (byte) => byte.toString(16).padStart(2, '0')).join('');
const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

async function listForm(form) {
  const list = [];
  for (const [name, value] of form) {
    if (typeof value === 'string') list.push([name, value]);
    else list.push([name, value.name, value.type, value.size, hex(await value.arrayBuffer())]);
  }
  return list;
}

async function makeForm() {
  const form = new FormData();
  form.append('text', 'grüße\nzwei');
  form.append('file', new File([bytes('00ff0d0a'), 'x'], 'ü"1.bin', { type: 'a/b' }));
  form.append('blob', new Blob([]), 'empty');
  const response = new Response(form);
  const copy = response.clone();
  const isForm = response.headers.get('content-type').startsWith('multipart/form-data; boundary=');
  return { isForm, list: await listForm(await copy.formData()), size: (await response.arrayBuffer()).byteLength };
}

async function copies() {
  const response = new Response(new ReadableStream({
    start(controller) {
      controller.enqueue(encoder.encode('one '));
      controller.enqueue(encoder.encode('two'));
      controller.close();
    },
  }), { status: 203, headers: { 'x-a': 'b' } });
  const copy = response.clone();
  const second = await response.text().then(() => response.text()).catch((error) => error.name);
  let pieces = 0;
  for await (const piece of new Blob(['abc']).stream()) pieces += piece.length;
  const file = new File([bytes('00ff'), 'é'], 'n', { type: 'x/y' });
  return {
    copy: [copy.status, copy.headers.get('x-a'), await copy.text()],
    second,
    bytes: [...(await new Response('é').bytes())],
    pieces,
    file: [file.size, file.name, file.type, hex(await file.arrayBuffer())],
    blob: hex(await (await new Response(new Blob([bytes('00ff')], { type: 'x/y' })).blob()).arrayBuffer()),
    blobType: new Response(new Blob(['x'], { type: 'x/y' })).headers.get('content-type'),
    json: await Response.json({ a: 1 }, { status: 201 }).json(),
    redirect: [Response.redirect('http://x/y').status, Response.redirect('http://x/y', 308).headers.get('location')],
    status: (() => { try { return new Response('', { status: 700 }); } catch (error) { return error.name; } })(),
  };
}

/** Known answers: RFC 4231 4.3, RFC 7914 11 (PBKDF2), RFC 5869 A.1, NIST SP 800-38D (AES-GCM, case 3 of its paper). */
async function knownAnswers() {
  const hmac = await subtle.importKey('raw', encoder.encode('Jefe'), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const password = await subtle.importKey('raw', encoder.encode('passwd'), 'PBKDF2', false, ['deriveBits']);
  const pbkdf2 = { name: 'PBKDF2', hash: 'SHA-256', salt: encoder.encode('salt'), iterations: 1 };
  const secret = await subtle.importKey('raw', bytes('0b'.repeat(22)), 'HKDF', false, ['deriveBits']);
  const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: bytes('000102030405060708090a0b0c'), info: bytes('f0f1f2f3f4f5f6f7f8f9') };
  const gcm = await subtle.importKey('raw', bytes('feffe9928665731c6d6a8f9467308308'), 'AES-GCM', false, ['encrypt']);
  const plain = bytes('d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255');
  return {
    sha1: hex(await subtle.digest('SHA-1', encoder.encode('abc'))),
    sha256: hex(await subtle.digest({ name: 'SHA-256' }, encoder.encode('abc'))),
    hmac: hex(await subtle.sign('HMAC', hmac, encoder.encode('what do ya want for nothing?'))),
    pbkdf2: hex(await subtle.deriveBits(pbkdf2, password, 512)),
    hkdf: hex(await subtle.deriveBits(hkdf, secret, 336)),
    gcm: hex(await subtle.encrypt({ name: 'AES-GCM', iv: bytes('cafebabefacedbaddecaf888') }, gcm, plain)),
  };
}

/** What is encrypted or signed here and opened again, and what is refused. */
async function roundTrips() {
  const data = encoder.encode('a message of more than one block of bytes');
  const found = {};
  for (const [name, parameters] of [
    ['AES-GCM', { iv: new Uint8Array(12), additionalData: bytes('01') }],
    ['AES-CBC', { iv: new Uint8Array(16) }],
    ['AES-CTR', { counter: new Uint8Array(16), length: 64 }],
  ]) {
    const key = await subtle.generateKey({ name, length: 256 }, true, ['encrypt', 'decrypt']);
    const sealed = await subtle.encrypt({ name, ...parameters }, key, data);
    found[name] = hex(await subtle.decrypt({ name, ...parameters }, key, sealed)) === hex(data);
  }
  for (const [name, parameters] of [
    ['ECDSA', { namedCurve: 'P-256', hash: 'SHA-256' }],
    ['ECDSA', { namedCurve: 'P-384', hash: 'SHA-384' }],
    ['Ed25519', {}],
  ]) {
    const { privateKey, publicKey } = await subtle.generateKey({ name, ...parameters }, true, ['sign', 'verify']);
    const again = await subtle.importKey('pkcs8', await subtle.exportKey('pkcs8', privateKey), { name, ...parameters }, true, ['sign']);
    const open = await subtle.importKey('spki', await subtle.exportKey('spki', publicKey), { name, ...parameters }, true, ['verify']);
    const signature = await subtle.sign({ name, ...parameters }, again, data);
    const other = encoder.encode('another message');
    found[name + (parameters.namedCurve ?? '')] = [
      await subtle.verify({ name, ...parameters }, open, signature, data),
      await subtle.verify({ name, ...parameters }, open, signature, other),
    ];
  }
  const pairs = await Promise.all([1, 2].map(() => subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, true, ['deriveBits'])));
  const shared = await Promise.all([0, 1].map((at) =>
    subtle.deriveBits({ name: 'ECDH', public: pairs[1 - at].publicKey }, pairs[at].privateKey, 256)));
  found.ECDH = hex(shared[0]) === hex(shared[1]);
  found.refused = await subtle.generateKey({ name: 'AES-ABC', length: 1 }, true, []).catch((error) => error.name);
  return found;
}

/** JSON Web Tokens by jose; the RSA keys come with the request. */
async function tokens(request) {
  const { pkcs8, spki } = await request.json();
  const secret = encoder.encode('a secret of 32 bytes, or of more');
  const pair = await generateKeyPair('ES256', { extractable: true });
  const found = {};
  for (const [alg, sign, verify] of [
    ['HS256', secret, secret],
    ['ES256', pair.privateKey, await importJWK(await exportJWK(pair.publicKey), 'ES256')],
    ['RS256', await importPKCS8(pkcs8, 'RS256'), await importSPKI(spki, 'RS256')],
    ['PS256', await importPKCS8(pkcs8, 'PS256'), await importSPKI(spki, 'PS256')],
  ]) {
    const token = await new SignJWT({ user: 'ada' }).setProtectedHeader({ alg }).setExpirationTime('1h').sign(sign);
    const { payload } = await jwtVerify(token, verify);
    const wrong = await jwtVerify(`${token.slice(0, -8)}AAAAAAAA`, verify).catch((error) => error.code);
    found[alg] = [payload.user, wrong];
  }
  found.token = await new SignJWT({ user: 'ada' }).setProtectedHeader({ alg: 'RS256' }).sign(await importPKCS8(pkcs8, 'RS256'));
  return found;
}

async function globals() {
  const channel = new MessageChannel();
  const heard = new Promise((done) => (channel.port2.onmessage = ({ data }) => done(data)));
  channel.port1.postMessage({ a: [1] });
  const aborted = await fetch('http://127.0.0.1:9/', { signal: AbortSignal.abort() }).catch((error) => error.name);
  const timeout = AbortSignal.timeout(1);
  await new Promise((done) => setTimeout(done, 20));
  const decoded = new Blob(['gr', 'üße']).stream().pipeThrough(new TextDecoderStream());
  let text = '';
  for await (const piece of decoded) text += piece;
  const target = new EventTarget();
  let events = 0;
  target.addEventListener('x', () => (events += 1), { once: true });
  target.dispatchEvent(new Event('x'));
  target.dispatchEvent(new CustomEvent('x', { detail: 1 }));
  return {
    normalize: ['é'.normalize('NFD').length, 'e\u0301'.normalize() === 'é', 'ﬁ'.normalize('NFKC'), '한'.normalize('NFD').length],
    pattern: new URLPattern({ pathname: '/books/:id' }).exec('http://x/books/7').pathname.groups.id,
    letters: [/^\p{Lu}\p{Ll}+$/u.test('Äöü'), /\p{Script=Greek}/u.test('a'), /^[\p{L}\p{N}_-]+$/u.test('ñ_1')],
    canParse: [URL.canParse('http://x'), URL.canParse('x'), URL.parse('/a', 'http://x').href],
    clone: structuredClone(new Map([['a', new Date(0)]])).get('a').toISOString(),
    encodings: [new TextDecoder('utf-16le').decode(bytes('e900')), new TextDecoder('latin1').decode(bytes('e9'))],
    heard: await heard,
    aborted,
    timeout: [timeout.aborted, timeout.reason.name, AbortSignal.any([timeout]).aborted],
    text,
    events,
    meta: [import.meta.env.PROD, import.meta.env.VITE_NAME, import.meta.url.startsWith('file:///')],
    locale: [
      (1234567.891).toLocaleString(),
      (1234.5).toLocaleString('en-US', { style: 'currency', currency: 'USD' }),
      new Date(0).toLocaleString(),
    ],
    navigator: navigator.userAgent,
  };
}

const routes = {
  '/form': makeForm,
  '/copies': copies,
  '/known': knownAnswers,
  '/trips': roundTrips,
  '/tokens': tokens,
  '/globals': globals,
  '/upload': async (request) => listForm(await request.formData()),
};

export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (routes[pathname]) return Response.json(await routes[pathname](request));
    const longer = new Response('short', { headers: { 'content-length': '5', 'x-old': '1' } });
    switch (pathname) {
      case '/longer': return new Response('a much longer body', { headers: longer.headers });
      case '/shorter': return new Response(longer.body, { headers: { 'content-length': '500' } });
      case '/announce': return new Response(null, { headers: { 'content-length': '1234' } });
      case '/cookies': return new Response('', { headers: [['set-cookie', 'a=1; Path=/'], ['set-cookie', 'b=2']] });
      case '/blob': return new Response(await request.blob());
      case '/twice': return Response.json([await request.clone().text(), await request.text()]);
      case '/fetch': {
        const response = await fetch(searchParams.get('url'), { headers: { 'x-from': 'dyno' } });
        if (searchParams.has('text')) return Response.json([response.status, response.url, response.redirected, await response.text()]);
        return new Response(response.body, response);
      }
      default: return new Response('nothing', { status: 404 });
    }
  },
};
