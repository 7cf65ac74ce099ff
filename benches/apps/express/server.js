// What the scenario `languages` asks of Express: this very source on a dyno, and on Node.js.

const express = require('express');
const path = require('node:path');

const app = express();
const rows = Array.from({ length: 20 }, (_, at) => ({ id: at + 1, name: `Tea & <biscuits> no. ${at + 1}`, price: (at + 1) * 3 }));

app.set('views', path.join(__dirname, 'views'));
app.set('view engine', 'ejs');

app.get('/hello', (request, response) => {
  response.type('text/plain').send('Hello, world!\n');
});

app.get('/page', (request, response) => {
  response.render('page', { title: 'Rows & columns', rows });
});

app.post('/json', express.json({ limit: '1mb' }), (request, response) => {
  for (const item of request.body) item.done = true;
  response.json(request.body);
});

app.get('/fib', (request, response) => {
  response.type('text/plain').send(String(fib(Number(request.query.n))));
});

function fib(n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

app.listen(process.env.PORT);
