//! Spans.

use std::ops::Range;

use arrow_array::types::Int32Type;

use super::value::Attributes;
use super::view::{Columns, Ids, Lists, Optional, Texts, structs};
use super::{Result, Rows};
use crate::context::Context;
use crate::traces::{self, Event, Link, Span, SpanItems};

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
    /// Looks at the columns.
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

    /// Reads the span of a row.
    pub fn read(&self, cx: &mut Context<'a>, row: usize, span: &mut Span<'a>) -> Result<()> {
        span.clear();
        span.trace_id = self.trace_id.at(row);
        span.span_id = self.span_id.at(row);
        span.trace_state = self.trace_state.at(row);
        span.parent_span_id = self.parent_span_id.at(row);
        span.flags = self.flags[row];
        span.name = self.name.at(row);
        span.kind = self.kind[row];
        span.start = self.start[row];
        span.end = self.end[row];
        self.attributes.push(cx, row, &mut span.attributes)?;
        span.dropped_attributes = self.dropped_attributes[row];
        for event in self.events.range(row) {
            self.events.items.read(cx, event, span)?;
        }
        span.dropped_events = self.dropped_events[row];
        for link in self.links.range(row) {
            self.links.items.read(cx, link, span)?;
        }
        span.dropped_links = self.dropped_links[row];
        span.status_code = self.status_code.at(row);
        if span.status_code.is_some() {
            span.status_message = self.status_message.at(row);
        }
        Ok(())
    }
}

impl<'a, S: traces::Spans> Rows<'a> for SpanItems<'a, S> {
    type Columns = Spans<'a>;

    fn look(columns: &Columns<'a>) -> Result<Spans<'a>> {
        Spans::new(columns)
    }

    fn rows(&mut self, cx: &mut Context<'a>, spans: &Spans<'a>, mut rows: Range<usize>) -> Result<()> {
        rows.try_for_each(|row| {
            spans.read(cx, row, &mut self.span)?;
            self.hand_on(cx);
            Ok(())
        })
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

    fn read(&self, cx: &mut Context<'a>, index: usize, span: &mut Span<'a>) -> Result<()> {
        let start = span.nested.len();
        self.attributes.push(cx, index, &mut span.nested)?;
        span.events.push(Event {
            time: self.time[index],
            name: self.name.at(index),
            attributes: start..span.nested.len(),
            dropped_attributes: self.dropped_attributes[index],
        });
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

    fn read(&self, cx: &mut Context<'a>, index: usize, span: &mut Span<'a>) -> Result<()> {
        let start = span.nested.len();
        self.attributes.push(cx, index, &mut span.nested)?;
        span.links.push(Link {
            trace_id: self.trace_id.at(index),
            span_id: self.span_id.at(index),
            trace_state: self.trace_state.at(index),
            attributes: start..span.nested.len(),
            dropped_attributes: self.dropped_attributes[index],
            flags: self.flags[index],
        });
        Ok(())
    }
}
