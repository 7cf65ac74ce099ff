// A server of `node:http` that tests call.
const http = require('node:http');
const { createHash } = require('node:crypto');
const { AsyncLocalStorage } = require('node:async_hooks');

let served = 0;
const store = new AsyncLocalStorage();
const later = (run) => setTimeout(run, 5);
const sleep = () => new Promise((done) => later(done));

const routes = {
  '/': (request, response) => response.end(`${served} ${process.env.DYNO}`),
  '/request': (request, response) => {
    const { method, url, headers, headersDistinct, rawHeaders, httpVersion, socket } = request;
    const { remoteAddress, encrypted } = socket;
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ method, url, headers, distinct: headersDistinct['x-two'], raw: rawHeaders.length, httpVersion, remoteAddress, encrypted }));
  },
  '/head': (request, response) => {
    response.writeHead(203, 'Fine', { 'X-One': 'a', 'Set-Cookie': ['a=1', 'b=2'], 'X-Word': 'grüße' });
    response.end('body');
  },
  '/announced': (request, response) => {
    response.setHeader('content-length', 1234);
    response.end(request.method === 'HEAD' ? undefined : 'x'.repeat(1234));
  },
  '/unchanged': (request, response) => {
    response.statusCode = request.headers['if-none-match'] === '"v1"' ? 304 : 200;
    response.setHeader('ETag', '"v1"');
    response.end(response.statusCode === 200 ? 'v1' : undefined);
  },
  '/digest': (request, response) => {
    const hash = createHash('md5');
    let length = 0;
    request.on('data', (piece) => { length += piece.length; if (length < 1000) hash.update(piece); });
    request.on('end', () => response.end(`${length} ${request.complete} ${hash.digest('hex')}`));
  },
  '/back': (request, response) => request.pipe(response),
  '/ignores': (request, response) => response.end('ignored'),
  '/parts': async (request, response) => {
    for await (const number of [1, 2, 3]) {
      response.write(`part ${number}\n`);
      await sleep();
    }
    response.end();
  },
  '/events': (request, response) => {
    const seen = [];
    request.on('close', () => seen.push('request closed'));
    response.on('finish', () => seen.push('finished'));
    response.on('close', () => { seen.push('closed'); console.log(`seen: ${seen.join(', ')}`); });
    response.end('events');
  },
  '/store': (request, response) => store.run({ id: 7 }, async () => {
    await sleep();
    later(() => response.end(`store ${store.getStore()?.id}`));
  }),
  '/trailers': (request, response) => {
    response.write('body');
    response.addTrailers({ 'X-Sum': '4' });
    response.end();
  },
  '/gone': (request, response) => {
    const write = () => { if (response.destroyed) return; response.write('x'.repeat(65536)); later(write); };
    write();
  },
  '/raises': () => { throw new Error('nothing of raises'); },
  '/rejects': async () => { await sleep(); throw new Error('nothing of rejects'); },
  '/timer-raises': () => { later(() => { throw new Error('nothing of timer'); }); },
  '/emits': (request, response) => { later(() => request.emit('error', new Error('nothing of emits'))); },
  '/bad-header': (request, response) => response.setHeader('x', 'a\nb'),
  '/bad-status': (request, response) => response.writeHead(9999),
  '/half-raises': (request, response) => { response.write('half'); throw new Error('no more of half'); },
  '/half-rejects': async (request, response) => { response.write('half'); await sleep(); throw new Error('no more of rejects'); },
  '/half-timer': (request, response) => { response.write('half'); later(() => { throw new Error('no more of timer'); }); },
  '/half-destroys': (request, response) => { response.write('half'); response.destroy(); console.log('destroyed by the app'); },
  '/short': (request, response) => { response.setHeader('content-length', 10); response.end('half'); },
};

const server = http.createServer((request, response) => {
  served += 1;
  const route = routes[request.url.split('?')[0]];
  if (route) return route(request, response);
  response.writeHead(404).end('nothing\n');
});
server.listen(process.env.PORT, () => console.log(`listening: ${server.listening} ${server.address().port > 0}`));
