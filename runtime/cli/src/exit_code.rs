//! Exit codes of this program, in the manner of shells.

/// The command failed.
pub(crate) const FAILED: u8 = 1;
/// The command line cannot be read.
pub(crate) const WRONG_USAGE: u8 = 2;
/// Offset of the codes with which shells show that a signal has ended a program.
const SIGNAL: u8 = 128;
/// Ctrl-C (SIGINT) has ended the command.
pub(crate) const INTERRUPTED: u8 = SIGNAL + 2;
/// SIGTERM has ended the command.
pub(crate) const TERMINATED: u8 = SIGNAL + 15;
/// The program that the command ran did not end by itself, as after SIGABRT.
pub(crate) const ABORTED: u8 = SIGNAL + 6;
/// The reader of the command's output has gone away, as after SIGPIPE.
pub(crate) const OUTPUT_CLOSED: u8 = SIGNAL + 13;
