// Source maps: reads the one of esbuild, and writes the form that the component reads (`engine/errors.js`). The first line
// is JSON, `{ sources }`; then each line of the bundle has one line, whose numbers begin at zero again.

import { dirname, relative, resolve } from 'node:path';

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

export class SourceMap {
  /** The names of sources are relative to `folder`. */
  constructor({ mappings, sources }, out, folder) {
    const named = (source) => (/^\w+:/.test(source) ? source : relative(folder, resolve(dirname(out), source)));
    this.sources = sources.map(named);
    this.lines = decode(mappings);
  }

  /** Where a place in the bundle comes from: line and column count from 1 and 0, as acorn's do. */
  locate({ line, column }) {
    let found;
    for (const segment of this.lines[line - 1] ?? []) {
      if (segment[0] > column) break;
      found = segment;
    }
    if (!found) return undefined;
    return { file: this.sources[found[1]], line: found[2] + 1, column: found[3] + 1 };
  }

  /** Returns the map of the bundle after these changes, which do not move lines. */
  write(changes, text) {
    const shifts = shiftsByLine(changes, text);
    const lines = this.lines.map((segments, at) => encodeLine(segments, shifts.get(at) ?? []));
    return [JSON.stringify({ sources: this.sources }), ...lines].join('\n');
  }
}

/** For each line: the columns at which characters are added, and how many. */
function shiftsByLine(changes, text) {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  const shifts = new Map();
  for (const change of changes) {
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= change.start) low = middle;
      else high = middle;
    }
    if (!shifts.has(low)) shifts.set(low, []);
    shifts.get(low).push({ column: change.start - starts[low], by: change.text.length - (change.end - change.start) });
  }
  return shifts;
}

function encodeLine(segments, shifts) {
  const before = [0, 0, 0, 0];
  const parts = segments.map(([column, ...rest]) => {
    const by = shifts.reduce((sum, shift) => (shift.column <= column ? sum + shift.by : sum), 0);
    const numbers = [column + by, ...rest];
    return numbers.map((number, at) => {
      const difference = number - before[at];
      before[at] = number;
      return encodeNumber(difference);
    }).join('');
  });
  return parts.join(',');
}

function encodeNumber(number) {
  let rest = number < 0 ? (-number << 1) | 1 : number << 1;
  let text = '';
  do {
    const digit = rest & 31;
    rest >>>= 5;
    text += DIGITS[rest > 0 ? digit | 32 : digit];
  } while (rest > 0);
  return text;
}

/** Segments of each line: column, source, line, column there. */
function decode(mappings) {
  const state = [0, 0, 0, 0];
  return mappings.split(';').map((line) => {
    state[0] = 0;
    if (line === '') return [];
    return line.split(',').flatMap((segment) => {
      const count = addNumbers(segment, state);
      return count >= 4 ? [[...state]] : [];
    });
  });
}

function addNumbers(segment, state) {
  let [value, shift, field] = [0, 0, 0];
  for (const character of segment) {
    const digit = DIGITS.indexOf(character);
    value |= (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    if (field < 4) state[field] += value & 1 ? -(value >> 1) : value >> 1;
    [value, shift] = [0, 0];
    field += 1;
  }
  return field;
}
