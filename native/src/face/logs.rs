//! Log records.

use std::ops::Range;

use super::value::{Attributes, Values};
use super::view::{Columns, Ids, Texts};
use super::{Result, Rows};
use crate::context::Context;
use crate::logs::{self, Log, LogItems};

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
    /// Looks at the columns.
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

    /// Reads the log record of a row.
    pub fn read(&self, cx: &mut Context<'a>, row: usize, log: &mut Log<'a>) -> Result<()> {
        log.clear();
        log.time = self.time[row];
        log.observed_time = self.observed_time[row];
        log.severity_number = self.severity_number[row];
        log.severity_text = self.severity_text.at(row);
        log.body = self.body.at(cx, row)?;
        self.attributes.push(cx, row, &mut log.attributes)?;
        log.dropped_attributes = self.dropped_attributes[row];
        log.flags = self.flags[row];
        log.trace_id = self.trace_id.at(row);
        log.span_id = self.span_id.at(row);
        log.event_name = self.event_name.at(row);
        Ok(())
    }
}

impl<'a, S: logs::Logs> Rows<'a> for LogItems<'a, S> {
    type Columns = Logs<'a>;

    fn look(columns: &Columns<'a>) -> Result<Logs<'a>> {
        Logs::new(columns)
    }

    fn rows(&mut self, cx: &mut Context<'a>, logs: &Logs<'a>, mut rows: Range<usize>) -> Result<()> {
        rows.try_for_each(|row| {
            logs.read(cx, row, &mut self.log)?;
            self.hand_on(cx);
            Ok(())
        })
    }
}
