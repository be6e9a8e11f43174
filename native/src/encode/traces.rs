//! Spans.

use std::ops::Range;

use arrow_array::types::Int32Type;

use super::value::Attributes;
use super::view::{Columns, Ids, Lists, Optional, Texts, structs};
use super::{CONTENT, Result, Rows};
use crate::writer::Writer;

/// The columns of `schema::SPANS`.
pub struct Spans<'a> {
    trace_id: Ids<'a>,
    span_id: Ids<'a>,
    trace_state: Texts<'a>,
    parent_span_id: Ids<'a>,
    flags: &'a [u32],
    name: Texts<'a>,
    kind: &'a [i32],
    start: &'a [u64],
    end: &'a [u64],
    attributes: Attributes<'a>,
    dropped_attributes: &'a [u32],
    events: Lists<'a, Events<'a>>,
    dropped_events: &'a [u32],
    links: Lists<'a, Links<'a>>,
    dropped_links: &'a [u32],
    status_code: Optional<'a, Int32Type>,
    status_message: Texts<'a>,
}

impl<'a> Spans<'a> {
    pub fn new(columns: &Columns<'a>) -> Result<Self> {
        Ok(Self {
            trace_id: columns.ids("trace_id"),
            span_id: columns.ids("span_id"),
            trace_state: columns.texts("trace_state")?,
            parent_span_id: columns.ids("parent_span_id"),
            flags: columns.u32s("flags"),
            name: columns.texts("name")?,
            kind: columns.i32s("kind"),
            start: columns.u64s("start_time_unix_nano"),
            end: columns.u64s("end_time_unix_nano"),
            attributes: Attributes::new(columns.list("attributes"))?,
            dropped_attributes: columns.u32s("dropped_attributes_count"),
            events: structs(columns.list("events"), Events::new)?,
            dropped_events: columns.u32s("dropped_events_count"),
            links: structs(columns.list("links"), Links::new)?,
            dropped_links: columns.u32s("dropped_links_count"),
            status_code: columns.optional("status_code"),
            status_message: columns.texts("status_message")?,
        })
    }

    fn span(&self, writer: &mut Writer, row: usize) -> Result<()> {
        writer.bytes(1, self.trace_id.at(row));
        writer.bytes(2, self.span_id.at(row));
        writer.bytes(3, self.trace_state.at(row));
        writer.bytes(4, self.parent_span_id.at(row));
        writer.bytes(5, self.name.at(row));
        writer.int32(6, self.kind[row]);
        writer.fixed64(7, self.start[row]);
        writer.fixed64(8, self.end[row]);
        self.attributes.write(writer, 9, row)?;
        writer.uint(10, u64::from(self.dropped_attributes[row]));
        for event in self.events.range(row) {
            writer.message(11, |message| self.events.items.write(message, event))?;
        }
        writer.uint(12, u64::from(self.dropped_events[row]));
        for link in self.links.range(row) {
            writer.message(13, |message| self.links.items.write(message, link))?;
        }
        writer.uint(14, u64::from(self.dropped_links[row]));
        if let Some(code) = self.status_code.at(row) {
            writer.message(15, |status| {
                status.bytes(2, self.status_message.at(row));
                status.int32(3, code);
            });
        }
        writer.fixed32(16, self.flags[row]);
        Ok(())
    }
}

impl Rows for Spans<'_> {
    fn write(&self, writer: &mut Writer, mut rows: Range<usize>) -> Result<()> {
        rows.try_for_each(|row| writer.message(CONTENT, |span| self.span(span, row)))
    }
}

struct Events<'a> {
    time: &'a [u64],
    name: Texts<'a>,
    attributes: Attributes<'a>,
    dropped_attributes: &'a [u32],
}

impl<'a> Events<'a> {
    fn new(columns: &Columns<'a>) -> Result<Self> {
        Ok(Self {
            time: columns.u64s("time_unix_nano"),
            name: columns.texts("name")?,
            attributes: Attributes::new(columns.list("attributes"))?,
            dropped_attributes: columns.u32s("dropped_attributes_count"),
        })
    }

    fn write(&self, writer: &mut Writer, index: usize) -> Result<()> {
        writer.fixed64(1, self.time[index]);
        writer.bytes(2, self.name.at(index));
        self.attributes.write(writer, 3, index)?;
        writer.uint(4, u64::from(self.dropped_attributes[index]));
        Ok(())
    }
}

struct Links<'a> {
    trace_id: Ids<'a>,
    span_id: Ids<'a>,
    trace_state: Texts<'a>,
    attributes: Attributes<'a>,
    dropped_attributes: &'a [u32],
    flags: &'a [u32],
}

impl<'a> Links<'a> {
    fn new(columns: &Columns<'a>) -> Result<Self> {
        Ok(Self {
            trace_id: columns.ids("trace_id"),
            span_id: columns.ids("span_id"),
            trace_state: columns.texts("trace_state")?,
            attributes: Attributes::new(columns.list("attributes"))?,
            dropped_attributes: columns.u32s("dropped_attributes_count"),
            flags: columns.u32s("flags"),
        })
    }

    fn write(&self, writer: &mut Writer, index: usize) -> Result<()> {
        writer.bytes(1, self.trace_id.at(index));
        writer.bytes(2, self.span_id.at(index));
        writer.bytes(3, self.trace_state.at(index));
        self.attributes.write(writer, 4, index)?;
        writer.uint(5, u64::from(self.dropped_attributes[index]));
        writer.fixed32(6, self.flags[index]);
        Ok(())
    }
}
