//! gRPC's transport without its socket: the bytes of one connection in, messages and the bytes of answers out.
//!
//! hyper's `h2` speaks HTTP/2. It is polled over a pipe in memory, so nothing here waits, and no thread, timer or
//! runtime is needed: sockets, TLS and time belong to the event loop that calls.

pub mod connection;
pub mod control;
pub mod message;
pub mod pipe;
#[cfg(feature = "python")]
pub mod python;
