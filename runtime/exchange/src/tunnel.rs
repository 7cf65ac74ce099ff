//! The byte stream that replaces HTTP after a protocol switch.
//!
//! Must not know which protocol the stream carries.

use std::fmt::Debug;

use tokio::io::{AsyncRead, AsyncWrite};

/// The dyno's side of a connection that has switched protocols. Dropping it ends the connection for the dyno.
pub trait Tunnel: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Tunnel for T {}
