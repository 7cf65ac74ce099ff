// Node's own http server with the paths of the bench guest. Arguments: port, folder with the pages.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const [port, folder] = process.argv.slice(2);
const page = fs.readFileSync(path.join(folder, 'hello'));
const body = fs.readFileSync(path.join(folder, 'body'));

function work(rounds) {
  let state = 2463534242 | 0;
  for (; rounds > 0; rounds--) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  return state >>> 0;
}

function answer(response, content) {
  const length = typeof content === 'string' ? Buffer.byteLength(content) : content.length;
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': length });
  response.end(content);
}

function echo(request, response) {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => answer(response, Buffer.concat(parts)));
}

const server = http.createServer((request, response) => {
  const url = request.url;
  if (url === '/') return answer(response, page);
  if (url === '/body') return answer(response, body);
  if (url === '/echo') return echo(request, response);
  const number = Number(url.slice(url.indexOf('=') + 1));
  if (url.startsWith('/cpu?rounds=')) return answer(response, String(work(number)));
  if (url.startsWith('/sleep?ms=')) return void setTimeout(() => answer(response, 'slept\n'), number);
  response.writeHead(404).end();
});
server.listen({ port: Number(port), host: '127.0.0.1', backlog: 1024 });
