//! Log records.

use std::ops::Range;

use super::{CONTENT, Items, list};
use crate::context::Context;
use crate::face::{Columns, Logs, Result};
use crate::logs::Log;
use crate::writer::Writer;

pub struct Rows<'a> {
    columns: Logs<'a>,
    log: Log<'a>,
}

impl<'a> Rows<'a> {
    pub fn new(columns: &Columns<'a>) -> Result<Self> {
        Ok(Self { columns: Logs::new(columns)?, log: Log::default() })
    }
}

impl<'a> Items<'a> for Rows<'a> {
    fn write(&mut self, cx: &mut Context<'a>, writer: &mut Writer, mut rows: Range<usize>) -> Result<()> {
        rows.try_for_each(|row| {
            self.columns.read(cx, row, &mut self.log)?;
            writer.message(CONTENT, |message| record_fields(message, &self.log));
            Ok(())
        })
    }
}

fn record_fields(writer: &mut Writer, log: &Log<'_>) {
    writer.fixed64(1, log.time);
    writer.int32(2, log.severity_number);
    writer.bytes(3, log.severity_text.as_bytes());
    if let Some(body) = &log.body {
        writer.message(5, |message| message.any(body));
    }
    list(writer, 6, &log.attributes);
    writer.uint(7, u64::from(log.dropped_attributes));
    writer.fixed32(8, log.flags);
    writer.bytes(9, log.trace_id);
    writer.bytes(10, log.span_id);
    writer.fixed64(11, log.observed_time);
    writer.bytes(12, log.event_name.as_bytes());
}
