//! The compiled OTLP codec of Ottery: wire bytes to Arrow columns and back.

pub mod attributes;
pub mod census;
pub mod clickhouse;
pub mod columns;
pub mod context;
pub mod decode;
pub mod descriptor;
pub mod encode;
pub mod envelope;
pub mod face;
pub mod fault;
pub mod http2;
pub mod json;
pub mod logs;
pub mod metrics;
pub mod points;
pub mod properties;
#[cfg(feature = "python")]
pub mod python;
pub mod render;
pub mod schema;
pub mod traces;
pub mod value;
pub mod wire;
pub mod writer;
