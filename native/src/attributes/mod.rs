//! What processors do to attributes, a column at a time.
//!
//! `collector/wire/_python_attributes.py` is the reference; both give equal columns.

pub mod digest;
pub mod edit;
pub mod lists;
pub mod masks;
#[cfg(feature = "python")]
pub mod python;
