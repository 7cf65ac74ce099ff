// Errors of the filesystem, in the form of Node.js: `code`, `errno`, `syscall`, `path`.

/** The codes of `wasi:filesystem`, with the name, number and text of POSIX. */
const CODES = {
  access: ['EACCES', -13, 'permission denied'],
  already: ['EALREADY', -114, 'connection already in progress'],
  'bad-descriptor': ['EBADF', -9, 'bad file descriptor'],
  busy: ['EBUSY', -16, 'resource busy or locked'],
  exist: ['EEXIST', -17, 'file already exists'],
  'file-too-large': ['EFBIG', -27, 'file too large'],
  invalid: ['EINVAL', -22, 'invalid argument'],
  io: ['EIO', -5, 'i/o error'],
  'is-directory': ['EISDIR', -21, 'illegal operation on a directory'],
  loop: ['ELOOP', -40, 'too many symbolic links encountered'],
  'name-too-long': ['ENAMETOOLONG', -36, 'name too long'],
  'no-entry': ['ENOENT', -2, 'no such file or directory'],
  'insufficient-memory': ['ENOMEM', -12, 'not enough memory'],
  'insufficient-space': ['ENOSPC', -28, 'no space left on device'],
  'not-directory': ['ENOTDIR', -20, 'not a directory'],
  'not-empty': ['ENOTEMPTY', -39, 'directory not empty'],
  unsupported: ['ENOTSUP', -95, 'operation not supported on socket'],
  'not-permitted': ['EPERM', -1, 'operation not permitted'],
  quota: ['EDQUOT', -122, 'disk quota exceeded'],
  'read-only': ['EROFS', -30, 'read-only file system'],
  'cross-device': ['EXDEV', -18, 'cross-device link not permitted'],
  'too-many-links': ['EMLINK', -31, 'too many links'],
};

/** An error with a code of `wasi:filesystem`. */
export function makeFileError(wasiCode, syscall, path, dest) {
  const [code, errno, text] = CODES[wasiCode] ?? ['EIO', -5, String(wasiCode)];
  const to = dest === undefined ? '' : ` -> '${dest}'`;
  const error = new Error(`${code}: ${text}, ${syscall}${path === undefined ? '' : ` '${path}'`}${to}`);
  Object.assign(error, { errno, code, syscall });
  if (path !== undefined) error.path = path;
  if (dest !== undefined) error.dest = dest;
  return error;
}

/** Calls a function of the host. Its errors become errors of Node.js. */
export function callHost(run, syscall, path, dest) {
  try {
    return run();
  } catch (error) {
    if (typeof error?.payload !== 'string') throw error;
    throw makeFileError(error.payload, syscall, path, dest);
  }
}
