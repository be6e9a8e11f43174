//! Puts the messages of a stream together: each has five bytes before it, its compression and its length.

use bytes::{Buf as _, Bytes};

const PREFIX: usize = 5;

/// Pieces below this are copied together: each piece that is kept costs a handle and the buffer it lies in.
const SMALL: usize = 4096;

/// A whole message, in the pieces in which it came.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// The first byte before it: 1 where it is compressed, 0 where it is not, and nothing else by the specification.
    pub flags: u8,
    /// The pieces, in order.
    pub pieces: Vec<Bytes>,
}

/// What the bytes of a stream turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A message that is whole.
    Message(Message),
    /// The length of a message that is larger than allowed. What follows is thrown away.
    TooLarge(usize),
}

/// The message that is under way on one stream.
pub struct Assembly {
    limit: usize,
    prefix: [u8; PREFIX],
    filled: usize,
    pieces: Vec<Bytes>,
    small: Vec<u8>,
    held: usize,
    over: bool,
}

impl Assembly {
    /// Messages may have `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, prefix: [0; PREFIX], filled: 0, pieces: Vec::new(), small: Vec::new(), held: 0, over: false }
    }

    /// Bytes that are kept for a message which is not whole.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Whether the stream would end within a message if it ended now.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        self.filled > 0
    }

    /// Takes the next bytes of the stream and hands out what they complete.
    pub fn push(&mut self, mut data: Bytes, mut out: impl FnMut(Found)) {
        while !data.is_empty() && !self.over {
            if self.filled < PREFIX {
                let taken = (PREFIX - self.filled).min(data.len());
                data.copy_to_slice(&mut self.prefix[self.filled..self.filled + taken]);
                self.filled += taken;
                if self.filled < PREFIX {
                    return;
                }
                if self.size() > self.limit {
                    self.over = true;
                    return out(Found::TooLarge(self.size()));
                }
            }
            let piece = data.split_to((self.size() - self.held).min(data.len()));
            self.keep(piece);
            if self.held == self.size() {
                out(Found::Message(self.take()));
            }
        }
    }

    fn size(&self) -> usize {
        let [_, length @ ..] = self.prefix;
        u32::from_be_bytes(length) as usize
    }

    fn keep(&mut self, piece: Bytes) {
        self.held += piece.len();
        if piece.len() < SMALL && self.held < self.size() {
            self.small.extend_from_slice(&piece);
            return;
        }
        self.gather();
        if !piece.is_empty() {
            self.pieces.push(piece);
        }
    }

    fn gather(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(std::mem::take(&mut self.small).into());
        }
    }

    fn take(&mut self) -> Message {
        self.filled = 0;
        self.held = 0;
        Message { flags: self.prefix[0], pieces: std::mem::take(&mut self.pieces) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Messages = Vec<(u8, Vec<u8>)>;

    fn assembled(limit: usize, data: &[u8], cut: usize) -> (Messages, Vec<usize>, Assembly) {
        let (mut assembly, mut messages, mut too_large) = (Assembly::new(limit), Vec::new(), Vec::new());
        for part in data.chunks(cut) {
            assembly.push(Bytes::copy_from_slice(part), |found| match found {
                Found::Message(message) => messages.push((message.flags, message.pieces.concat())),
                Found::TooLarge(size) => too_large.push(size),
            });
        }
        (messages, too_large, assembly)
    }

    #[test]
    fn messages_are_the_same_however_their_bytes_are_cut() {
        let data = b"\x00\x00\x00\x00\x03abc\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02de";
        for cut in 1..=data.len() {
            let (messages, too_large, assembly) = assembled(3, data, cut);
            assert_eq!(messages, [(0, b"abc".to_vec()), (1, vec![]), (0, b"de".to_vec())]);
            assert_eq!((too_large, assembly.held(), assembly.is_torn()), (vec![], 0, false));
        }
    }

    #[test]
    fn a_message_over_the_limit_is_known_by_its_length_and_nothing_of_it_is_kept() {
        for cut in 1..12 {
            let (messages, too_large, assembly) = assembled(3, b"\x00\x00\x00\x00\x04abcdefg", cut);
            assert_eq!((messages, too_large, assembly.held()), (vec![], vec![4], 0));
        }
    }

    #[test]
    fn what_is_missing_is_known() {
        for (data, held) in [(&b"\x00\x00"[..], 0), (b"\x00\x00\x00\x00\x03", 0), (b"\x00\x00\x00\x00\x03ab", 2)] {
            let (messages, _, assembly) = assembled(3, data, 1);
            assert_eq!((messages, assembly.held(), assembly.is_torn()), (vec![], held, true));
        }
    }
}
