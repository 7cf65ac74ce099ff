// What the scenario `languages` asks of `node:http`: this very source on a dyno, and on Node.js.

const http = require('node:http');

const rows = Array.from({ length: 20 }, (_, at) => ({ id: at + 1, name: `Tea & <biscuits> no. ${at + 1}`, price: (at + 1) * 3 }));
const letters = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

const server = http.createServer(async (request, response) => {
  const [path, query] = request.url.split('?');
  if (path === '/hello') {
    answer(response, 'text/plain', 'Hello, world!\n');
  } else if (path === '/page') {
    answer(response, 'text/html; charset=utf-8', page('Rows & columns'));
  } else if (path === '/json') {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const items = JSON.parse(Buffer.concat(chunks).toString());
    for (const item of items) item.done = true;
    answer(response, 'application/json', JSON.stringify(items));
  } else if (path === '/fib') {
    answer(response, 'text/plain', String(fib(Number(new URLSearchParams(query).get('n')))));
  } else {
    response.writeHead(404).end();
  }
});

function answer(response, type, body) {
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
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

server.listen(process.env.PORT);
