// Static files beside a worker, by the rules of Cloudflare's `assets`: a path is a file, `/about` is `about.html`,
// `/` is `index.html`.

import { readFile } from './files.js';

const TYPES = {
  avif: 'image/avif',
  css: 'text/css; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
  gif: 'image/gif',
  htm: 'text/html; charset=utf-8',
  html: 'text/html; charset=utf-8',
  ico: 'image/vnd.microsoft.icon',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  map: 'application/json',
  md: 'text/markdown; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  pdf: 'application/pdf',
  png: 'image/png',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
  wasm: 'application/wasm',
  webm: 'video/webm',
  webmanifest: 'application/manifest+json',
  webp: 'image/webp',
  woff: 'font/woff',
  woff2: 'font/woff2',
  xml: 'application/xml',
};

export function typeOf(path) {
  return TYPES[path.slice(path.lastIndexOf('.') + 1).toLowerCase()] ?? 'application/octet-stream';
}

/** Returns the parts of a URL's path, or undefined if they lead out of the folder. */
function safePath(pathname) {
  let path;
  try {
    path = decodeURIComponent(pathname);
  } catch {
    return undefined;
  }
  const parts = path.split('/').filter((part) => part !== '');
  // Files whose names begin with a dot are settings, and may hold secrets.
  const isSafe = parts.every((part) => (part === '.well-known' || !part.startsWith('.')) && !/[\\\0]/.test(part));
  return isSafe ? parts.join('/') + (path.endsWith('/') && parts.length > 0 ? '/' : '') : undefined;
}

/** Makes a function that answers a Request with one of these files, or returns undefined if there is none. */
export function serveAssets({ directory, notFound = 'none', html = 'auto-trailing-slash' }, slug) {
  const folder = directory === '' ? '' : `${directory}/`;
  const read = (path) => readFile(folder + path);
  // A slug never changes, so a file in it never changes either.
  const reply = (request, path, bytes, status) => answerFile(request, path, bytes, status, slug);
  return (request) => {
    const path = safePath(new URL(request.url).pathname);
    if (path === undefined) return undefined;
    for (const candidate of candidates(path, html)) {
      const bytes = read(candidate);
      if (bytes) return reply(request, candidate, bytes, 200);
    }
    if (notFound === 'single-page-application') {
      const bytes = read('index.html');
      if (bytes) return reply(request, 'index.html', bytes, 200);
    }
    if (notFound === '404-page') {
      for (let at = path; ; ) {
        at = at.includes('/') ? at.slice(0, at.lastIndexOf('/')) : '';
        const page = at === '' ? '404.html' : `${at}/404.html`;
        const bytes = read(page);
        if (bytes) return reply(request, page, bytes, 404);
        if (at === '') break;
      }
    }
    return undefined;
  };
}

function candidates(path, html) {
  if (html === 'none') return path === '' || path.endsWith('/') ? [] : [path];
  if (path === '') return ['index.html'];
  const bare = path.replace(/\/$/, '');
  if (path.endsWith('/')) return [`${bare}/index.html`, `${bare}.html`];
  return [path, `${path}.html`, `${path}/index.html`];
}

function answerFile(request, path, bytes, status, slug) {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return new Response('Method Not Allowed\n', { status: 405, headers: { allow: 'GET, HEAD' } });
  }
  const etag = `"${slug}-${bytes.length.toString(16)}"`;
  const headers = { 'content-type': typeOf(path), etag, 'cache-control': 'public, max-age=0, must-revalidate' };
  const known = request.headers.get('if-none-match')?.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (status === 200 && known?.includes(etag)) return new Response(null, { status: 304, headers });
  return new Response(bytes, { status, headers });
}
