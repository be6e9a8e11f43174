//! Spans.

use std::ops::Range;

use super::{CONTENT, Items, list};
use crate::context::Context;
use crate::face::{Columns, Result, Spans};
use crate::traces::{Event, Link, Span};
use crate::writer::Writer;

pub struct Rows<'a> {
    columns: Spans<'a>,
    span: Span<'a>,
}

impl<'a> Rows<'a> {
    pub fn new(columns: &Columns<'a>) -> Result<Self> {
        Ok(Self { columns: Spans::new(columns)?, span: Span::default() })
    }
}

impl<'a> Items<'a> for Rows<'a> {
    fn write(&mut self, cx: &mut Context<'a>, writer: &mut Writer, mut rows: Range<usize>) -> Result<()> {
        rows.try_for_each(|row| {
            self.columns.read(cx, row, &mut self.span)?;
            writer.message(CONTENT, |message| span_fields(message, &self.span));
            Ok(())
        })
    }
}

fn span_fields(writer: &mut Writer, span: &Span<'_>) {
    writer.bytes(1, span.trace_id);
    writer.bytes(2, span.span_id);
    writer.bytes(3, span.trace_state.as_bytes());
    writer.bytes(4, span.parent_span_id);
    writer.bytes(5, span.name.as_bytes());
    writer.int32(6, span.kind);
    writer.fixed64(7, span.start);
    writer.fixed64(8, span.end);
    list(writer, 9, &span.attributes);
    writer.uint(10, u64::from(span.dropped_attributes));
    for event in &span.events {
        writer.message(11, |message| event_fields(message, span, event));
    }
    writer.uint(12, u64::from(span.dropped_events));
    for link in &span.links {
        writer.message(13, |message| link_fields(message, span, link));
    }
    writer.uint(14, u64::from(span.dropped_links));
    if let Some(code) = span.status_code {
        writer.message(15, |status| {
            status.bytes(2, span.status_message.as_bytes());
            status.int32(3, code);
        });
    }
    writer.fixed32(16, span.flags);
}

fn event_fields(writer: &mut Writer, span: &Span<'_>, event: &Event<'_>) {
    writer.fixed64(1, event.time);
    writer.bytes(2, event.name.as_bytes());
    list(writer, 3, &span.nested[event.attributes.clone()]);
    writer.uint(4, u64::from(event.dropped_attributes));
}

fn link_fields(writer: &mut Writer, span: &Span<'_>, link: &Link<'_>) {
    writer.bytes(1, link.trace_id);
    writer.bytes(2, link.span_id);
    writer.bytes(3, link.trace_state.as_bytes());
    list(writer, 4, &span.nested[link.attributes.clone()]);
    writer.uint(5, u64::from(link.dropped_attributes));
    writer.fixed32(6, link.flags);
}
