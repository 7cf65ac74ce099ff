// What the scenario `languages` asks of a fetch handler: this very source on a dyno, and on Node.js.

import { serve } from '@hono/node-server';

const rows = Array.from({ length: 20 }, (_, at) => ({ id: at + 1, name: `Tea & <biscuits> no. ${at + 1}`, price: (at + 1) * 3 }));
const letters = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

async function fetch(request) {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === '/hello') {
    return new Response('Hello, world!\n', { headers: { 'content-type': 'text/plain' } });
  }
  if (pathname === '/page') {
    return new Response(page('Rows & columns'), { headers: { 'content-type': 'text/html; charset=utf-8' } });
  }
  if (pathname === '/json') {
    const items = await request.json();
    for (const item of items) item.done = true;
    return Response.json(items);
  }
  if (pathname === '/fib') {
    return new Response(String(fib(Number(searchParams.get('n')))), { headers: { 'content-type': 'text/plain' } });
  }
  return new Response(null, { status: 404 });
}

function page(title) {
  return `<!doctype html>
<title>${escape(title)}</title>
<h1>${escape(title)}</h1>
<table>
${rows.map((row) => `  <tr class="${row.id % 2 ? 'odd' : 'even'}"><td>${row.id}<td>${escape(row.name)}<td>${row.price}\n`).join('')}
</table>
`;
}

function escape(text) {
  return text.replace(/[&<>"]/g, (letter) => letters[letter]);
}

function fib(n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

serve({ fetch, port: Number(process.env.PORT) });
