//! A connection's bytes in memory, in the shape that `h2` reads and writes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Default)]
struct Bytewise {
    input: Bytes,
    output: Vec<u8>,
}

/// One end is held by `h2`, the other by whoever has the socket. Reading waits for input, writing never waits.
#[derive(Clone, Default)]
pub struct Pipe(Arc<Mutex<Bytewise>>);

impl Pipe {
    /// Makes `input` what is read next. What came before has been read whole: `h2` reads until it would wait.
    pub fn feed(&self, input: Bytes) {
        self.lock().input = input;
    }

    /// Forgets input that nobody is going to read.
    pub fn clear(&self) {
        self.lock().input = Bytes::new();
    }

    /// Takes what has been written.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock().output)
    }

    fn lock(&self) -> MutexGuard<'_, Bytewise> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut bytes = self.lock();
        if bytes.input.is_empty() {
            return Poll::Pending;
        }
        let size = bytes.input.len().min(buffer.remaining());
        buffer.put_slice(&bytes.input[..size]);
        bytes.input.advance(size);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.lock().output.extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
