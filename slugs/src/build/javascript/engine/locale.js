// Numbers and dates in American English, in UTC. The engine has no data of languages: the build warns of other locales,
// and of the options of `Intl.DateTimeFormat`.

const SYMBOLS = { USD: '$', EUR: '€', GBP: '£', JPY: '¥', INR: '₹', CNY: 'CN¥', KRW: '₩', BRL: 'R$', CAD: 'CA$', AUD: 'A$' };

/** Formats `1,234,567.891`, with the options of `Intl.NumberFormat` for fraction digits, grouping, percent and currency. */
function formatNumber(value, options = {}) {
  if (Number.isNaN(value)) return 'NaN';
  const { style = 'decimal', currency, useGrouping = true } = options;
  if (style === 'currency' && !currency) throw new TypeError('the style "currency" needs a currency');
  const [least, most] = fractionDigits(style, currency, options);
  const number = style === 'percent' ? value * 100 : value;
  const isNegative = number < 0 || Object.is(number, -0);
  const text = number === Infinity || number === -Infinity ? '∞' : toDigits(number, least, most, useGrouping);
  const sign = isNegative ? '-' : '';
  if (style === 'percent') return `${sign}${text}%`;
  if (style !== 'currency') return sign + text;
  const code = String(currency).toUpperCase();
  return `${sign}${SYMBOLS[code] ?? `${code}\u00a0`}${text}`;
}

function fractionDigits(style, currency, { minimumFractionDigits, maximumFractionDigits }) {
  const isWhole = /^(JPY|KRW)$/i.test(currency ?? '');
  const [least, most] = style === 'currency' ? (isWhole ? [0, 0] : [2, 2]) : style === 'percent' ? [0, 0] : [0, 3];
  const minimum = minimumFractionDigits ?? Math.min(least, maximumFractionDigits ?? least);
  return [minimum, maximumFractionDigits ?? Math.max(most, minimum)];
}

function toDigits(number, least, most, useGrouping) {
  const isBig = typeof number === 'bigint';
  const absolute = isBig ? (number < 0n ? -number : number) : Math.abs(number);
  // Above 1e21, toFixed returns an exponent, and there is no fraction.
  const fixed = isBig ? String(absolute) : absolute < 1e21 ? roundHalfUp(absolute, most) : String(BigInt(absolute));
  let [whole, fraction = ''] = fixed.split('.');
  while (fraction.length > least && fraction.endsWith('0')) fraction = fraction.slice(0, -1);
  fraction = fraction.padEnd(least, '0');
  if (useGrouping) whole = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction ? `${whole}.${fraction}` : whole;
}

/** Rounds the shortest decimal text of the number, as Intl does, and not its binary value: 1.005 is 1.01. */
function roundHalfUp(number, digits) {
  const [mantissa, exponent = '0'] = String(number).split('e');
  const moved = Math.round(Number(`${mantissa}e${Number(exponent) + digits}`));
  if (moved <= Number.MAX_SAFE_INTEGER) return Number(`${moved}e-${digits}`).toFixed(digits);
  return Number.isInteger(number) ? String(number) : number.toFixed(digits);
}

function formatDate(date) {
  return `${date.getUTCMonth() + 1}/${date.getUTCDate()}/${date.getUTCFullYear()}`;
}

function formatTime(date) {
  const [hours, minutes, seconds] = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()];
  const pad = (number) => String(number).padStart(2, '0');
  return `${hours % 12 || 12}:${pad(minutes)}:${pad(seconds)} ${hours < 12 ? 'AM' : 'PM'}`;
}

function replace(target, methods) {
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(target, name, { configurable: true, writable: true, value });
  }
}

const valid = (date, format) => (Number.isNaN(date.getTime()) ? 'Invalid Date' : format(date));

replace(Number.prototype, {
  toLocaleString(_, options) {
    return formatNumber(Number(this), options);
  },
});
replace(BigInt.prototype, {
  toLocaleString(_, options) {
    return formatNumber(BigInt(this), options);
  },
});
replace(Date.prototype, {
  toLocaleString() {
    return valid(this, (date) => `${formatDate(date)}, ${formatTime(date)}`);
  },
  toLocaleDateString() {
    return valid(this, formatDate);
  },
  toLocaleTimeString() {
    return valid(this, formatTime);
  },
});
