//! Compression of request bodies, under the names of `Content-Encoding`.

use std::io::{Error, Write as _};

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// An LZ4 frame.
    Lz4,
    /// A Zstandard frame at level 1.
    Zstd,
}

impl Compression {
    /// The compression of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "lz4" => Some(Self::Lz4),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Compresses a body.
///
/// # Errors
/// Only where memory is short: there is no other input or output.
pub fn compress(body: Vec<u8>, compression: Compression) -> Result<Vec<u8>, Error> {
    match compression {
        Compression::None => Ok(body),
        Compression::Lz4 => lz4(&body),
        Compression::Zstd => zstd::bulk::compress(&body, 1),
    }
}

fn lz4(body: &[u8]) -> Result<Vec<u8>, Error> {
    let info = FrameInfo::new().block_size(BlockSize::Max256KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::with_capacity(body.len() / 2));
    encoder.write_all(body)?;
    Ok(encoder.finish()?)
}
