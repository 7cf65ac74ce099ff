// A worker for workerd with the paths of the bench guest. `page` and `body` are embedded as data.
import page from 'page';
import body from 'body';
import { work } from 'work';

function answer(content) {
  return new Response(content, { headers: { 'content-type': 'text/plain' } });
}

export default {
  async fetch(request) {
    const url = new URL(request.url);
    const number = () => Number(url.search.slice(url.search.indexOf('=') + 1));
    switch (url.pathname) {
      case '/': return answer(page);
      case '/body': return answer(body);
      case '/echo': return answer(await request.arrayBuffer());
      case '/cpu': return answer(String(work(number())));
      case '/sleep':
        await new Promise((done) => setTimeout(done, number()));
        return answer('slept\n');
      default: return new Response(null, { status: 404 });
    }
  },
};
