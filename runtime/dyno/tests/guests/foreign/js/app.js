// A web app as its author would write it for a fetch-event engine. The engine has no globals for environment and
// files, so those come from the WASI interfaces that the world imports.

import { getEnvironment } from 'wasi:cli/environment@0.2.10';
import { getDirectories } from 'wasi:filesystem/preopens@0.2.10';

addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  const { pathname } = new URL(request.url);
  if (pathname === '/') {
    return new Response('hello from JavaScript\n', { headers: { 'content-type': 'text/plain' } });
  }
  if (pathname === '/echo' && request.method === 'POST') {
    return new Response(await request.arrayBuffer());
  }
  if (pathname.startsWith('/env/')) {
    return variable(pathname.slice('/env/'.length));
  }
  if (pathname === '/file') {
    return new Response(roundTrip('written by JavaScript\n'));
  }
  return new Response('not found\n', { status: 404 });
}

function variable(name) {
  const found = getEnvironment().find(([key]) => key === name);
  return found ? new Response(found[1]) : new Response('not set\n', { status: 404 });
}

// Writes a file in ./tmp and reads it back.
function roundTrip(text) {
  const folders = getDirectories();
  const own = folders.find(([, path]) => path === '/tmp');
  const [folder, path] = own ? [own[0], 'js.txt'] : [folders[0][0], 'tmp/js.txt'];
  const file = folder.openAt({}, path, { create: true, truncate: true }, { read: true, write: true });
  const bytes = new TextEncoder().encode(text);
  file.write(bytes, 0n);
  const [back] = file.read(BigInt(bytes.length), 0n);
  return new TextDecoder().decode(back);
}
