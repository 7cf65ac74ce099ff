// A list of tasks over HTTP. The routes are here; the tasks are in `tasks.ts`.

import { Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { Tasks, checked } from './tasks';

type Bindings = { DYNO: string };

const app = new Hono<{ Bindings: Bindings }>();
const tasks = new Tasks();

app.use(async (context, next) => {
  await next();
  context.header('x-dyno', context.env.DYNO);
});

app.get('/', (context) =>
  context.json({
    tasks: '/tasks',
    try: `curl -d '{"title":"buy milk"}' ${new URL('/tasks', context.req.url)}`,
  }),
);

app.get('/tasks', (context) => {
  const { done } = context.req.query();
  if (done !== undefined && done !== 'true' && done !== 'false') {
    throw new HTTPException(400, { message: 'done must be true or false' });
  }
  return context.json({ tasks: tasks.list(done === undefined ? undefined : done === 'true') });
});

app.post('/tasks', async (context) => {
  const task = tasks.add(checked(await body(context.req.raw)));
  context.header('location', `/tasks/${task.id}`);
  return context.json(task, 201);
});

app.get('/tasks/:id', (context) => context.json(found(tasks.get(context.req.param('id')))));

app.put('/tasks/:id', async (context) => {
  const wanted = checked(await body(context.req.raw));
  return context.json(found(tasks.change(context.req.param('id'), wanted)));
});

app.delete('/tasks/:id', (context) => {
  found(tasks.remove(context.req.param('id')));
  return context.body(null, 204);
});

app.notFound((context) => context.json({ error: `there is nothing at ${context.req.path}` }, 404));

app.onError((error, context) => {
  if (error instanceof HTTPException) return context.json({ error: error.message }, error.status);
  console.error(error.stack ?? error);
  return context.json({ error: 'that went wrong on our side' }, 500);
});

async function body(request: Request): Promise<unknown> {
  try {
    return await request.json();
  } catch {
    throw new HTTPException(400, { message: 'the body must be JSON' });
  }
}

function found<T>(task: T | undefined): T {
  if (task === undefined) throw new HTTPException(404, { message: 'there is no such task' });
  return task;
}

export default app;
