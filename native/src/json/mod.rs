//! OTLP JSON to protobuf and back; what is accepted is specified in `collector/wire/types.py`.

mod parse;
mod read;
mod scalar;
mod write;

pub use read::to_proto;
pub use write::to_json;
