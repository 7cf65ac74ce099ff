// Keys on elliptic curves: ECDSA, ECDH, Ed25519, X25519, by @noble/curves.

import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { hashOf } from './hash.js';
import {
  BITS,
  CURVES,
  CryptoKey,
  EC,
  OCTETS,
  OKP,
  SEQUENCE,
  bytesOf,
  fail,
  fromBase64url,
  material,
  readDer,
  readPkcs8,
  readSpki,
  toBase64url,
  writeDer,
  writeInteger,
  writePkcs8,
  writeSpki,
} from './key.js';

const NIST = { 'P-256': [p256, 32], 'P-384': [p384, 48], 'P-521': [p521, 66] };

function curveOf(name) {
  if (!(name in NIST)) fail('NotSupportedError', `there is no curve "${name}": P-256, P-384 or P-521`);
  return NIST[name];
}

/** Parses an uncompressed point into its two coordinates. */
function checkPoint(curve, bytes) {
  try {
    return curve.Point.fromBytes(bytes).toBytes(false);
  } catch {
    return fail('DataError', 'the key is no point of its curve');
  }
}

function readEc(format, data, namedCurve) {
  const [curve, size] = curveOf(namedCurve);
  switch (format) {
    case 'raw':
    case 'raw-public':
      return { point: checkPoint(curve, bytesOf(data)) };
    case 'spki':
      return { point: checkPoint(curve, readSpki(bytesOf(data), EC, CURVES[namedCurve])) };
    case 'pkcs8': {
      // RFC 5915: version, key, and optionally curve and public key.
      const [inner] = readDer(readPkcs8(bytesOf(data), EC, CURVES[namedCurve]));
      const secret = readDer(inner.bytes).find(({ tag }) => tag === OCTETS)?.bytes;
      if (secret?.length !== size) fail('DataError', 'the private key has another length than its curve');
      return { secret: secret.slice(), point: curve.getPublicKey(secret, false) };
    }
    case 'jwk': {
      if (data?.kty !== 'EC' || data.crv !== namedCurve) fail('DataError', `the JWK is no key of the curve ${namedCurve}`);
      const [x, y] = [fromBase64url(data.x), fromBase64url(data.y)];
      if (x.length !== size || y.length !== size) fail('DataError', 'the JWK has a coordinate of another length');
      const point = checkPoint(curve, Uint8Array.of(4, ...x, ...y));
      return data.d === undefined ? { point } : { point, secret: fromBase64url(data.d) };
    }
    default:
      return fail('NotSupportedError', `a key has no format "${format}"`);
  }
}

function writeEc(format, key) {
  const { namedCurve } = key.algorithm;
  const { point, secret } = key[material];
  const size = NIST[namedCurve][1];
  requireKind(format, key);
  switch (format) {
    case 'raw':
    case 'raw-public':
      return point.slice();
    case 'spki':
      return writeSpki(point, EC, CURVES[namedCurve]);
    case 'pkcs8': {
      const bits = writeDer(0xa1, writeDer(BITS, [0], point));
      const inner = writeDer(SEQUENCE, writeInteger(1n), writeDer(OCTETS, secret), bits);
      return writePkcs8(inner, EC, CURVES[namedCurve]);
    }
    default: {
      const [x, y] = [point.slice(1, 1 + size), point.slice(1 + size)].map(toBase64url);
      const jwk = { kty: 'EC', crv: namedCurve, x, y, key_ops: [...key.usages], ext: key.extractable };
      return secret && key.type === 'private' ? { ...jwk, d: toBase64url(secret) } : jwk;
    }
  }
}

/** Formats that only one key of a pair has. */
function requireKind(format, key) {
  const wanted = { raw: 'public', 'raw-public': 'public', spki: 'public', pkcs8: 'private', jwk: key.type }[format];
  if (!wanted) fail('NotSupportedError', `a key has no format "${format}"`);
  if (wanted !== key.type) fail('InvalidAccessError', `a ${key.type} key has no format "${format}"`);
}

/** Makes the two keys of a pair, each with the uses that it can have. */
function pair(algorithm, extractable, usages, held, publicUses) {
  const publicUsages = usages.filter((usage) => publicUses.includes(usage));
  const privateUsages = usages.filter((usage) => !publicUses.includes(usage));
  const { secret, point } = held;
  return {
    publicKey: new CryptoKey('public', algorithm, true, publicUsages, { point }),
    privateKey: new CryptoKey('private', algorithm, extractable, privateUsages, { secret, point }),
  };
}

function ellipticCurve(name, usages, publicUses, work) {
  return {
    usages,
    generate({ namedCurve }, extractable, wanted) {
      const [curve] = curveOf(namedCurve);
      const secret = curve.utils.randomSecretKey();
      const held = { secret, point: curve.getPublicKey(secret, false) };
      return pair({ name, namedCurve }, extractable, wanted, held, publicUses);
    },
    import(format, data, { namedCurve }, extractable, wanted) {
      const held = readEc(format, data, namedCurve);
      const type = held.secret ? 'private' : 'public';
      return new CryptoKey(type, { name, namedCurve }, extractable, wanted, held);
    },
    export: writeEc,
    ...work,
  };
}

export const ECDSA = ellipticCurve('ECDSA', ['sign', 'verify'], ['verify'], {
  sign({ hash }, key, data) {
    const [curve] = curveOf(key.algorithm.namedCurve);
    const digest = hashOf.function(hash)(data);
    return curve.sign(digest, key[material].secret, { prehash: false, lowS: false, format: 'compact' });
  },
  verify({ hash }, key, signature, data) {
    const [curve] = curveOf(key.algorithm.namedCurve);
    const digest = hashOf.function(hash)(data);
    try {
      return curve.verify(signature, digest, key[material].point, { prehash: false, lowS: false, format: 'compact' });
    } catch {
      return false;
    }
  },
});

export const ECDH = ellipticCurve('ECDH', ['deriveKey', 'deriveBits'], [], {
  derive(algorithm, key, bits) {
    const [curve] = curveOf(key.algorithm.namedCurve);
    const other = algorithm.public?.[material]?.point;
    if (!other || algorithm.public.algorithm.namedCurve !== key.algorithm.namedCurve) {
      fail('InvalidAccessError', 'ECDH needs a public key of the same curve');
    }
    const shared = curve.getSharedSecret(key[material].secret, other).slice(1);
    return cut(shared, bits);
  },
});

function cut(shared, bits) {
  if (bits === null || bits === undefined) return shared;
  if (bits > shared.length * 8) fail('OperationError', `the curve gives no ${bits} bits`);
  return shared.slice(0, Math.ceil(bits / 8));
}

/** Ed25519 and X25519 (RFC 8032, RFC 7748), whose keys are plain bytes. */
function montgomery(name, curve, usages, publicUses, work) {
  const read = (format, data) => {
    switch (format) {
      case 'raw':
      case 'raw-public':
        return { point: bytesOf(data) };
      case 'spki':
        return { point: readSpki(bytesOf(data), OKP[name]).slice() };
      case 'pkcs8': {
        const secret = readDer(readPkcs8(bytesOf(data), OKP[name]))[0].bytes.slice();
        return { secret, point: curve.getPublicKey(secret) };
      }
      case 'jwk':
        if (data?.kty !== 'OKP' || data.crv !== name) fail('DataError', `the JWK is no key of ${name}`);
        if (data.d === undefined) return { point: fromBase64url(data.x) };
        return { point: fromBase64url(data.x), secret: fromBase64url(data.d) };
      default:
        return fail('NotSupportedError', `a key has no format "${format}"`);
    }
  };
  return {
    usages,
    generate(_, extractable, wanted) {
      const secret = curve.utils.randomSecretKey();
      return pair({ name }, extractable, wanted, { secret, point: curve.getPublicKey(secret) }, publicUses);
    },
    import(format, data, _, extractable, wanted) {
      const held = read(format, data);
      if (held.point.length !== 32) fail('DataError', `a key of ${name} has 32 bytes`);
      return new CryptoKey(held.secret ? 'private' : 'public', { name }, extractable, wanted, held);
    },
    export(format, key) {
      requireKind(format, key);
      const { point, secret } = key[material];
      if (format === 'spki') return writeSpki(point, OKP[name]);
      if (format === 'pkcs8') return writePkcs8(writeDer(OCTETS, secret), OKP[name]);
      if (format !== 'jwk') return point.slice();
      const jwk = { kty: 'OKP', crv: name, x: toBase64url(point), key_ops: [...key.usages], ext: key.extractable };
      return key.type === 'private' ? { ...jwk, d: toBase64url(secret) } : jwk;
    },
    ...work,
  };
}

export const ED25519 = montgomery('Ed25519', ed25519, ['sign', 'verify'], ['verify'], {
  sign: (_, key, data) => ed25519.sign(data, key[material].secret),
  verify(_, key, signature, data) {
    try {
      return ed25519.verify(signature, data, key[material].point);
    } catch {
      return false;
    }
  },
});

export const X25519 = montgomery('X25519', x25519, ['deriveKey', 'deriveBits'], [], {
  derive(algorithm, key, bits) {
    const other = algorithm.public?.[material]?.point;
    if (!other) fail('InvalidAccessError', 'X25519 needs a public key');
    return cut(x25519.getSharedSecret(key[material].secret, other), bits);
  },
});
