// The type of a task, and the list of tasks, in this dyno's memory.

import { HTTPException } from 'hono/http-exception';

/** What a client may say of a task. */
export type Wanted = { title: string; done: boolean };

export type Task = Wanted & { id: string; created: string };

const TITLE_LENGTH_MAX = 200;
/** A dyno's memory is bounded, so this list is. */
const TASKS_MAX = 1_000;

/** Checks what a client sent. What is wrong with it is the client's to read. */
export function checked(value: unknown): Wanted {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new HTTPException(422, { message: 'a task is an object with a title' });
  }
  const { title, done = false, ...others } = value as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new HTTPException(422, { message: `a task has no ${JSON.stringify(unknown)}` });
  if (typeof title !== 'string' || title.trim() === '') {
    throw new HTTPException(422, { message: 'title must be a text that is not empty' });
  }
  if (title.length > TITLE_LENGTH_MAX) {
    throw new HTTPException(422, { message: `title must have at most ${TITLE_LENGTH_MAX} characters` });
  }
  if (typeof done !== 'boolean') throw new HTTPException(422, { message: 'done must be true or false' });
  return { title: title.trim(), done };
}

export class Tasks {
  #tasks = new Map<string, Task>();

  list(done?: boolean): Task[] {
    return [...this.#tasks.values()].filter((task) => done === undefined || task.done === done);
  }

  add(wanted: Wanted): Task {
    if (this.#tasks.size >= TASKS_MAX) {
      throw new HTTPException(409, { message: `there are ${TASKS_MAX} tasks: delete some first` });
    }
    const task = { id: crypto.randomUUID(), ...wanted, created: new Date().toISOString() };
    this.#tasks.set(task.id, task);
    return task;
  }

  get(id: string): Task | undefined {
    return this.#tasks.get(id);
  }

  change(id: string, wanted: Wanted): Task | undefined {
    const task = this.#tasks.get(id);
    return task && Object.assign(task, wanted);
  }

  remove(id: string): Task | undefined {
    const task = this.#tasks.get(id);
    this.#tasks.delete(id);
    return task;
  }
}
