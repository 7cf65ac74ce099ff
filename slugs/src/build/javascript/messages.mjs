// What a build says: one line for each fault, with its place first.

/** Lines of one kind that are shown; a build that fails in a hundred places fails for few reasons. */
const LINES_MAX = 12;

export function complain(line) {
  console.error(line);
}

/** The package that a file belongs to, or undefined if it is the app's own. */
export function packageOf(file) {
  const at = file.lastIndexOf('node_modules/');
  if (at < 0) return undefined;
  const [scope, name] = file.slice(at + 'node_modules/'.length).split('/');
  return scope.startsWith('@') ? `${scope}/${name}` : scope;
}

/** esbuild's messages as lines; those of one package that name parts of Node.js become one. */
export function describeErrors(errors) {
  const lines = [];
  const ofPackages = new Map();
  for (const error of errors) {
    const name = packageOf(error.location?.file ?? '');
    const { builtin } = error.detail ?? {};
    if (name === undefined || builtin === undefined) {
      lines.push(place(error) + error.text);
      continue;
    }
    if (!ofPackages.has(name)) ofPackages.set(name, { first: error, builtins: new Set() });
    ofPackages.get(name).builtins.add(`"${builtin}"`);
  }
  for (const [name, { first, builtins }] of ofPackages) {
    const parts = [...builtins].join(', ');
    lines.push(
      `${place(first)}the package ${name} needs ${parts} of Node.js, which a dyno is not: use a package that runs in ` +
        'browsers or workers as well',
    );
  }
  if (lines.length <= LINES_MAX) return lines;
  return [...lines.slice(0, LINES_MAX), `and ${lines.length - LINES_MAX} more of these`];
}

function place({ location }) {
  return location ? `${location.file}:${location.line}:${location.column + 1}: ` : '';
}
