// node make.mjs HANDLER WIT OUT: makes the component that every JavaScript app runs in.
//
// componentize-js is called as a library: its command line is known to fail where this works.

import { writeFile } from 'node:fs/promises';
import { metadataAdd } from '@bytecodealliance/jco';
import { componentize } from '@bytecodealliance/componentize-js';

const [sourcePath, witPath, out] = process.argv.slice(2);
const { component } = await componentize({ sourcePath, witPath, worldName: 'app' });
// Tells the platform that its instances take any number of requests.
const signed = await metadataAdd(component, [['processed-by', [['dyno-handler', '1']]]]);
await writeFile(out, signed);
