// Rewrites regular expressions that the engine cannot parse: it does not know properties of characters (`\p{…}`).

import { simple } from 'acorn-walk';
import rewritePattern from 'regexpu-core';

/** Returns the changes to the literals of a program that need one. Lines do not move. */
export function rewriteLiterals(program) {
  const changes = [];
  simple(program, {
    Literal(node) {
      if (!node.regex || !/\\[pP]\{/.test(node.regex.pattern)) return;
      const { pattern, flags } = node.regex;
      const made = rewritePattern(pattern, flags, {
        unicodePropertyEscapes: 'transform',
        unicodeSetsFlag: flags.includes('v') ? 'transform' : false,
      });
      const source = made.replaceAll('\n', '\\n').replace(/(^|[^\\])\//g, '$1\\/');
      changes.push({ start: node.start, end: node.end, text: `/${source}/${flags.replace('v', 'u')}` });
    },
  });
  return changes;
}

/** Applies changes that do not overlap, each `{ start, end, text }`. */
export function applyChanges(text, changes) {
  const parts = [];
  let at = 0;
  for (const change of [...changes].sort((one, other) => one.start - other.start || one.end - other.end)) {
    parts.push(text.slice(at, change.start), change.text);
    at = change.end;
  }
  return parts.join('') + text.slice(at);
}
