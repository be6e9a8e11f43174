//! Whether columns are those of a signal.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Fields};

use super::{Result, Unfit};
use crate::decode::Signal;
use crate::schema;

/// Refuses columns that have not exactly the fields of the signal.
pub fn check(signal: Signal, batch: &RecordBatch) -> Result<()> {
    let (expected, schema) = (schema::of(signal), batch.schema_ref());
    if Arc::ptr_eq(expected, schema) {
        return Ok(());
    }
    let (mut left, mut right) = (expected.fields().iter(), schema.fields().iter());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ok(()),
            (Some(expected), Some(got)) if same_field(expected, got) => {}
            (expected, got) => {
                let [expected, got] =
                    [expected, got].map(|field| field.map_or("nothing".to_owned(), |f| f.to_string()));
                return Unfit::invalid(format!(
                    "columns of {signal:?} must have the field {expected} where they have {got}"
                ));
            }
        }
    }
}

fn same_field(expected: &Field, got: &Field) -> bool {
    expected.name() == got.name()
        && expected.is_nullable() == got.is_nullable()
        && same_type(expected.data_type(), got.data_type())
}

/// Equal but for metadata and the name that a list gives its items.
fn same_type(expected: &DataType, got: &DataType) -> bool {
    match (expected, got) {
        (DataType::List(expected), DataType::List(got)) => {
            expected.is_nullable() == got.is_nullable() && same_type(expected.data_type(), got.data_type())
        }
        (DataType::Struct(expected), DataType::Struct(got)) => same_fields(expected, got),
        (DataType::Dictionary(key, expected), DataType::Dictionary(got_key, got)) => {
            key == got_key && same_type(expected, got)
        }
        _ => expected == got,
    }
}

fn same_fields(expected: &Fields, got: &Fields) -> bool {
    expected.len() == got.len() && expected.iter().zip(got).all(|(expected, got)| same_field(expected, got))
}
