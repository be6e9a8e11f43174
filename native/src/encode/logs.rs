//! Log records.

use std::ops::Range;

use super::value::{Attributes, Values};
use super::view::{Columns, Ids, Texts};
use super::{CONTENT, Result, Rows};
use crate::writer::Writer;

/// The columns of `schema::LOGS`.
pub struct Logs<'a> {
    time: &'a [u64],
    observed_time: &'a [u64],
    severity_number: &'a [i32],
    severity_text: Texts<'a>,
    body: Values<'a>,
    attributes: Attributes<'a>,
    dropped_attributes: &'a [u32],
    flags: &'a [u32],
    trace_id: Ids<'a>,
    span_id: Ids<'a>,
    event_name: Texts<'a>,
}

impl<'a> Logs<'a> {
    pub fn new(columns: &Columns<'a>) -> Result<Self> {
        Ok(Self {
            time: columns.u64s("time_unix_nano"),
            observed_time: columns.u64s("observed_time_unix_nano"),
            severity_number: columns.i32s("severity_number"),
            severity_text: columns.texts("severity_text")?,
            body: Values::new(columns, ["body_type", "body", "body_raw"])?,
            attributes: Attributes::new(columns.list("attributes"))?,
            dropped_attributes: columns.u32s("dropped_attributes_count"),
            flags: columns.u32s("flags"),
            trace_id: columns.ids("trace_id"),
            span_id: columns.ids("span_id"),
            event_name: columns.texts("event_name")?,
        })
    }

    fn record(&self, writer: &mut Writer, row: usize) -> Result<()> {
        writer.fixed64(1, self.time[row]);
        writer.int32(2, self.severity_number[row]);
        writer.bytes(3, self.severity_text.at(row));
        self.body.write(writer, 5, row)?;
        self.attributes.write(writer, 6, row)?;
        writer.uint(7, u64::from(self.dropped_attributes[row]));
        writer.fixed32(8, self.flags[row]);
        writer.bytes(9, self.trace_id.at(row));
        writer.bytes(10, self.span_id.at(row));
        writer.fixed64(11, self.observed_time[row]);
        writer.bytes(12, self.event_name.at(row));
        Ok(())
    }
}

impl Rows for Logs<'_> {
    fn write(&self, writer: &mut Writer, mut rows: Range<usize>) -> Result<()> {
        rows.try_for_each(|row| writer.message(CONTENT, |record| self.record(record, row)))
    }
}
