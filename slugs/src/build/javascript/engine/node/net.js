// `node:net`: the functions that need no socket. The others are absent.

import { makeAbsentModule } from './absent.js';

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const V4 = `${OCTET}(?:\\.${OCTET}){3}`;
const FOUR = new RegExp(`^${V4}$`);
const TAIL = new RegExp(`(^|:)${V4}$`);

/** Whether a text is an address of IPv6 (RFC 4291 2.2), perhaps with a zone. */
function isIPv6(text) {
  let address = String(text).replace(/%[0-9a-zA-Z.]+$/, '');
  if (TAIL.test(address)) address = address.replace(TAIL, '$10:0');
  const halves = address.split('::');
  if (halves.length > 2 || !/^[\da-f:]+$/i.test(address)) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  if (!groups.every((group) => /^[\da-f]{1,4}$/i.test(group))) return false;
  return halves.length === 2 ? groups.length < 8 : groups.length === 8;
}

const isIPv4 = (text) => FOUR.test(text);
const isIP = (text) => (isIPv4(text) ? 4 : isIPv6(text) ? 6 : 0);

const NAMES = ['BlockList', 'Server', 'Socket', 'SocketAddress', 'Stream', 'connect', 'createConnection', 'createServer'];

export default makeAbsentModule('net', NAMES, { isIP, isIPv4, isIPv6, getDefaultAutoSelectFamily: () => false, setDefaultAutoSelectFamily() {} });
