// A worker for workerd whose answers come out of a WebAssembly instance's memory.
import module from 'guest.wasm';

const { memory, page_length, body, body_length, work } = new WebAssembly.Instance(module).exports;
const bytes = (from, length) => new Uint8Array(memory.buffer, from, length).slice();

function answer(content) {
  return new Response(content, { headers: { 'content-type': 'text/plain' } });
}

// The body goes through the instance's memory as it would through a guest's.
async function echo(request) {
  const content = new Uint8Array(await request.arrayBuffer());
  const room = 128 * 1024;
  new Uint8Array(memory.buffer, room, content.length).set(content);
  return answer(bytes(room, content.length));
}

export default {
  async fetch(request) {
    const url = new URL(request.url);
    const number = () => Number(url.search.slice(url.search.indexOf('=') + 1));
    switch (url.pathname) {
      case '/': return answer(bytes(0, page_length()));
      case '/body': return answer(bytes(body(), body_length()));
      case '/echo': return echo(request);
      case '/cpu': return answer(String(work(number()) >>> 0));
      case '/sleep':
        await new Promise((done) => setTimeout(done, number()));
        return answer('slept\n');
      default: return new Response(null, { status: 404 });
    }
  },
};
