// node build.mjs WIT OUT: makes a component of app.js in the world `foreign:app/app` of the file WIT.
//
// The library is called directly: its command line is known to fail where this works.

import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { componentize } from '@bytecodealliance/componentize-js';

const [witPath, out] = process.argv.slice(2);
const { component } = await componentize({
  sourcePath: fileURLToPath(new URL('app.js', import.meta.url)),
  witPath,
  worldName: 'app',
});
await writeFile(out, component);
