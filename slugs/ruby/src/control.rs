//! Owns the operations of the device `control`. A message is one letter, and what the operation needs; the result is bytes.
//! Must not know Ruby.
//!
//! | letter | operation | result |
//! |---|---|---|
//! | `E` | reads the environment | `NAME=value`, with a zero byte behind each |
//! | `A` | reads the arguments of the program | each with a zero byte behind it |
//! | `F` | ends the response | a line for the log, or nothing |
//! | `X` | breaks the response off | nothing |
//! | `L` | reports that the app cannot be loaded, with the reason | nothing |
//! | `Q` | reports the exit code of the program, as one byte | nothing |
//! | `M` | measures the memory of the instance | its pages of 64 KiB, as decimal digits |
//! | `C` | encrypts, decrypts or derives a key: see [`crate::crypto`] | the bytes |

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use crate::bindings::wasi::cli::environment;
use crate::crypto;
use crate::exchange::{self, Errno};
use crate::interpreter::SingleThread;

static LOAD_ERROR: SingleThread<RefCell<Option<String>>> = SingleThread(RefCell::new(None));
static EXIT_CODE: SingleThread<Cell<u8>> = SingleThread(Cell::new(0));

/// Performs an operation and returns its result.
pub(crate) fn perform(message: &[u8]) -> Result<Vec<u8>, Errno> {
    let (letter, rest) = message.split_first().ok_or(Errno::Invalid)?;
    match letter {
        b'E' => Ok(join_fields(
            environment::get_environment()
                .into_iter()
                .map(|(name, value)| [name, value].join("=")),
        )),
        b'A' => Ok(join_fields(environment::get_arguments())),
        b'F' => exchange::finish().map(String::into_bytes),
        b'X' => exchange::break_off().map(|()| Vec::new()),
        b'L' => {
            *LOAD_ERROR.0.borrow_mut() = Some(String::from_utf8_lossy(rest).into_owned());
            Ok(Vec::new())
        }
        b'Q' => {
            EXIT_CODE.0.set(*rest.first().ok_or(Errno::Invalid)?);
            Ok(Vec::new())
        }
        b'M' => Ok(core::arch::wasm32::memory_size(0).to_string().into_bytes()),
        b'C' => crypto::perform(rest).ok_or(Errno::Invalid),
        _ => Err(Errno::Invalid),
    }
}

/// The reason why the app cannot be loaded, if one was reported.
pub(crate) fn take_load_error() -> Option<String> {
    LOAD_ERROR.0.borrow_mut().take()
}

/// The exit code that the program reported; 0 if it reported none.
pub(crate) fn exit_code() -> u8 {
    EXIT_CODE.0.get()
}

fn join_fields(fields: impl IntoIterator<Item = String>) -> Vec<u8> {
    let mut joined = Vec::new();
    for field in fields {
        joined.extend_from_slice(field.as_bytes());
        joined.push(0);
    }
    joined
}
