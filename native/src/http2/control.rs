//! Looks over the frames of a connection for pings, which `h2` answers without a word.

const PREFACE: usize = 24;
const HEAD: usize = 9;
const PING: u8 = 6;
const ACKNOWLEDGED: u8 = 1;

/// How many pings came with some bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pings {
    /// Pings that the peer sent.
    pub asked: u32,
    /// Answers to pings of ours.
    pub answered: u32,
}

/// Where in the frames of a connection its bytes have got to.
pub struct Frames {
    skip: usize,
    head: [u8; HEAD],
    filled: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self { skip: PREFACE, head: [0; HEAD], filled: 0 }
    }
}

impl Frames {
    /// Goes on over the bytes that came next, and counts.
    pub fn pass(&mut self, mut data: &[u8]) -> Pings {
        let mut found = Pings::default();
        while !data.is_empty() {
            let skipped = self.skip.min(data.len());
            self.skip -= skipped;
            data = &data[skipped..];
            let taken = (HEAD - self.filled).min(data.len());
            self.head[self.filled..self.filled + taken].copy_from_slice(&data[..taken]);
            self.filled += taken;
            data = &data[taken..];
            if self.filled == HEAD {
                let [high, middle, low, kind, flags, ..] = self.head;
                self.skip = u32::from_be_bytes([0, high, middle, low]) as usize;
                self.filled = 0;
                found.asked += u32::from(kind == PING && flags & ACKNOWLEDGED == 0);
                found.answered += u32::from(kind == PING && flags & ACKNOWLEDGED != 0);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING_FRAME: &[u8] = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00\x06\x06\x06\x06\x06\x06\x06\x06";
    const PONG_FRAME: &[u8] = b"\x00\x00\x08\x06\x01\x00\x00\x00\x00\x06\x06\x06\x06\x06\x06\x06\x06";
    const DATA_FRAME: &[u8] = b"\x00\x00\x09\x00\x00\x00\x00\x00\x01\x00\x00\x08\x06\x00\x00\x00\x00\x00";

    fn connection() -> Vec<u8> {
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PING_FRAME, DATA_FRAME, PONG_FRAME, PING_FRAME].concat()
    }

    #[test]
    fn pings_and_answers_are_counted_and_what_only_looks_like_one_is_not() {
        assert_eq!(Frames::default().pass(&connection()), Pings { asked: 2, answered: 1 });
    }

    #[test]
    fn the_count_does_not_depend_on_how_the_bytes_are_cut() {
        for size in 1..connection().len() {
            let mut frames = Frames::default();
            let found: Vec<Pings> = connection().chunks(size).map(|part| frames.pass(part)).collect();
            assert_eq!(found.iter().map(|pings| pings.asked).sum::<u32>(), 2);
            assert_eq!(found.iter().map(|pings| pings.answered).sum::<u32>(), 1);
        }
    }
}
