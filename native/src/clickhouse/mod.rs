//! Telemetry as the bodies of ClickHouse inserts, in Native format, straight from the wire or from columns.
//!
//! What `collector/wire/clickhouse.py` does with Arrow columns is the reference: both store the same rows.

pub mod batch;
pub mod compress;
pub mod days;
pub mod logs;
pub mod maps;
pub mod order;
pub mod points;
#[cfg(feature = "python")]
pub mod python;
pub mod rows;
pub mod spans;
pub mod strings;
pub mod table;
