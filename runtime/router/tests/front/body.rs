//! Bodies: uploads, buffers, slow readers, clients that leave.

mod bodies;
mod buffers;
mod hangup;
mod spill;
mod stalls;
mod uploads;
