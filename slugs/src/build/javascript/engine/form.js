// Forms: `multipart/form-data` (RFC 7578) and `application/x-www-form-urlencoded`, both ways.

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const CR = 13;
const LF = 10;
const DASH = 45;

/** Encodes a form as a Blob, and returns its content type too. Names are escaped as HTML's "multipart/form-data encoding" says. */
export function encodeForm(form) {
  const boundary = `----dyno${crypto.randomUUID().replaceAll('-', '')}`;
  const pieces = [];
  for (const [name, value] of form) {
    const field = `--${boundary}\r\ncontent-disposition: form-data; name="${escapeName(toLines(name))}"`;
    if (typeof value === 'string') {
      pieces.push(`${field}\r\n\r\n${toLines(value)}\r\n`);
    } else {
      const type = value.type || 'application/octet-stream';
      pieces.push(`${field}; filename="${escapeName(value.name)}"\r\ncontent-type: ${type}\r\n\r\n`, value, '\r\n');
    }
  }
  pieces.push(`--${boundary}--\r\n`);
  return [new Blob(pieces), `multipart/form-data; boundary=${boundary}`];
}

function toLines(text) {
  return text.replace(/\r\n|\r|\n/g, '\r\n');
}

function escapeName(name) {
  return name.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22');
}

/** Parses the form in a body of this content type. */
export function parseForm(bytes, contentType) {
  const [type] = contentType.split(';', 1);
  switch (type.trim().toLowerCase()) {
    case 'multipart/form-data':
      return parseMultipart(bytes, boundaryOf(contentType));
    case 'application/x-www-form-urlencoded': {
      const form = new FormData();
      for (const [name, value] of new URLSearchParams(decoder.decode(bytes))) form.append(name, value);
      return form;
    }
    default:
      throw new TypeError(`the body is no form: its content-type is "${contentType}"`);
  }
}

function boundaryOf(contentType) {
  const match = /;\s*boundary=(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))/i.exec(contentType);
  const boundary = match && (match[1]?.replace(/\\(.)/g, '$1') ?? match[2]);
  if (!boundary) throw new TypeError('the form has no boundary in its content-type');
  return boundary;
}

function parseMultipart(bytes, boundary) {
  const form = new FormData();
  const mark = encoder.encode(`--${boundary}`);
  let at = findMark(bytes, mark, 0);
  for (;;) {
    if (at < 0) throw broken('a boundary is missing');
    at += mark.length;
    if (bytes[at] === DASH && bytes[at + 1] === DASH) return form;
    // RFC 2046 5.1.1 allows white space after a boundary.
    while (bytes[at] === 32 || bytes[at] === 9) at += 1;
    if (bytes[at] !== CR || bytes[at + 1] !== LF) throw broken('there is no line end after a boundary');
    const [headers, begin] = readHeaders(bytes, at + 2);
    const end = findMark(bytes, mark, begin);
    // The line end before a boundary belongs to the boundary.
    if (end < 0) throw broken('a boundary is missing');
    appendPart(form, headers, bytes, begin, Math.max(begin, end - 2));
    at = end;
  }
}

/** Finds the next line that begins with the mark. Line ends are searched in native code. */
function findMark(bytes, mark, from) {
  for (let at = from; ; ) {
    let length = 0;
    while (length < mark.length && bytes[at + length] === mark[length]) length += 1;
    if (length === mark.length && (at === 0 || bytes[at - 2] === CR)) return at;
    at = bytes.indexOf(LF, at) + 1;
    if (at === 0) return -1;
  }
}

/** Parses the header fields of a part, and returns where its content begins. */
function readHeaders(bytes, from) {
  const headers = new Map();
  for (let at = from; ; ) {
    const end = bytes.indexOf(LF, at);
    if (end < 0) throw broken('a part has no content');
    const line = decoder.decode(bytes.subarray(at, bytes[end - 1] === CR ? end - 1 : end));
    at = end + 1;
    if (line === '') return [headers, at];
    const colon = line.indexOf(':');
    if (colon < 1) throw broken('a part has a line that is no header');
    headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
}

function appendPart(form, headers, bytes, begin, end) {
  const disposition = headers.get('content-disposition') ?? '';
  if (!/^form-data\s*(;|$)/i.test(disposition)) throw broken('a part is no form-data');
  const name = parameter(disposition, 'name');
  if (name === undefined) throw broken('a part has no name');
  const file = parameter(disposition, 'filename');
  const content = bytes.subarray(begin, end);
  if (file === undefined) {
    form.append(name, decoder.decode(content));
    return;
  }
  const type = headers.get('content-type') ?? 'application/octet-stream';
  form.append(name, new File([content], file, { type }));
}

function parameter(disposition, name) {
  const extended = new RegExp(`;\\s*${name}\\*=utf-8''([^;\\s]+)`, 'i').exec(disposition);
  const plain = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]*))`, 'i').exec(disposition);
  if (plain) {
    // Browsers escape three characters but no backslash; curl escapes with backslashes.
    const text = plain[1] === undefined ? plain[2] : plain[1].replace(/\\(["\\])/g, '$1');
    return text.replace(/%0A/gi, '\n').replace(/%0D/gi, '\r').replace(/%22/g, '"');
  }
  return extended ? decodeURIComponent(extended[1]) : undefined;
}

function broken(why) {
  return new TypeError(`the form cannot be read: ${why}`);
}
