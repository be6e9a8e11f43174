//! Spans: read from requests, and their columns.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::{Int32Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};

use crate::columns::{self, Attributes, Ids, Lists, Optional, Text, valid_id};
use crate::context::Context;
use crate::envelope::{Discard, Envelopes, Items, Names, Resource, Scope, Sink};
use crate::fault::{Result, Within};
use crate::schema;
use crate::value::{Attribute, drop_duplicates, push_attribute};
use crate::wire::{FIXED32, FIXED64, LEN, Reader, VARINT, low_i32, low_u32, tag};

/// One span, as views of the request.
#[derive(Default)]
pub struct Span<'a> {
    pub(crate) trace_id: &'a [u8],
    pub(crate) span_id: &'a [u8],
    pub(crate) trace_state: &'a str,
    pub(crate) parent_span_id: &'a [u8],
    pub(crate) flags: u32,
    pub(crate) name: &'a str,
    pub(crate) kind: i32,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) dropped_attributes: u32,
    pub(crate) events: Vec<Event<'a>>,
    pub(crate) dropped_events: u32,
    pub(crate) links: Vec<Link<'a>>,
    pub(crate) dropped_links: u32,
    pub(crate) status_code: Option<i32>,
    pub(crate) status_message: &'a str,
    /// Attributes of all events and links, one after the other.
    pub(crate) nested: Vec<Attribute<'a>>,
}

#[derive(Default)]
pub(crate) struct Event<'a> {
    pub(crate) time: u64,
    pub(crate) name: &'a str,
    pub(crate) attributes: Range<usize>,
    pub(crate) dropped_attributes: u32,
}

#[derive(Default)]
pub(crate) struct Link<'a> {
    pub(crate) trace_id: &'a [u8],
    pub(crate) span_id: &'a [u8],
    pub(crate) trace_state: &'a str,
    pub(crate) attributes: Range<usize>,
    pub(crate) dropped_attributes: u32,
    pub(crate) flags: u32,
}

mod tags {
    use super::{FIXED32, FIXED64, LEN, VARINT, tag};

    pub const TRACE_ID: u32 = tag(1, LEN);
    pub const SPAN_ID: u32 = tag(2, LEN);
    pub const TRACE_STATE: u32 = tag(3, LEN);
    pub const PARENT_SPAN_ID: u32 = tag(4, LEN);
    pub const NAME: u32 = tag(5, LEN);
    pub const KIND: u32 = tag(6, VARINT);
    pub const START: u32 = tag(7, FIXED64);
    pub const END: u32 = tag(8, FIXED64);
    pub const ATTRIBUTES: u32 = tag(9, LEN);
    pub const DROPPED_ATTRIBUTES: u32 = tag(10, VARINT);
    pub const EVENTS: u32 = tag(11, LEN);
    pub const DROPPED_EVENTS: u32 = tag(12, VARINT);
    pub const LINKS: u32 = tag(13, LEN);
    pub const DROPPED_LINKS: u32 = tag(14, VARINT);
    pub const STATUS: u32 = tag(15, LEN);
    pub const FLAGS: u32 = tag(16, FIXED32);
}

impl<'a> Span<'a> {
    /// Makes it the empty span, keeping its memory.
    pub(crate) fn clear(&mut self) {
        let (mut attributes, mut nested) = (std::mem::take(&mut self.attributes), std::mem::take(&mut self.nested));
        let (mut events, mut links) = (std::mem::take(&mut self.events), std::mem::take(&mut self.links));
        attributes.clear();
        nested.clear();
        events.clear();
        links.clear();
        *self = Self { attributes, nested, events, links, ..Self::default() };
    }

    fn read(&mut self, cx: &mut Context<'a>, mut reader: Reader<'a>) -> Result<()> {
        self.clear();
        while let Some(tag) = reader.tag()? {
            match tag {
                tags::ATTRIBUTES => {
                    push_attribute(cx, reader.message()?, "attributes", &mut self.attributes, 0)?;
                    while reader.again(tags::ATTRIBUTES) {
                        push_attribute(cx, reader.message()?, "attributes", &mut self.attributes, 0)?;
                    }
                }
                tags::TRACE_ID => self.trace_id = reader.bytes()?,
                tags::SPAN_ID => self.span_id = reader.bytes()?,
                tags::TRACE_STATE => self.trace_state = cx.text(reader.bytes()?),
                tags::PARENT_SPAN_ID => self.parent_span_id = reader.bytes()?,
                tags::NAME => self.name = cx.text(reader.bytes()?),
                tags::KIND => self.kind = low_i32(reader.varint()?),
                tags::START => self.start = reader.fixed64()?,
                tags::END => self.end = reader.fixed64()?,
                tags::DROPPED_ATTRIBUTES => self.dropped_attributes = low_u32(reader.varint()?),
                tags::EVENTS => self.event(cx, reader.message()?).within_item("events", self.events.len())?,
                tags::DROPPED_EVENTS => self.dropped_events = low_u32(reader.varint()?),
                tags::LINKS => self.link(cx, reader.message()?).within_item("links", self.links.len())?,
                tags::DROPPED_LINKS => self.dropped_links = low_u32(reader.varint()?),
                tags::STATUS => self.status(cx, reader.message()?).within("status")?,
                tags::FLAGS => self.flags = reader.fixed32()?,
                _ => reader.skip(tag)?,
            }
        }
        drop_duplicates(cx, &mut self.attributes, 0);
        Ok(())
    }

    fn event(&mut self, cx: &mut Context<'a>, mut reader: Reader<'a>) -> Result<()> {
        const TIME: u32 = tag(1, FIXED64);
        const NAME: u32 = tag(2, LEN);
        const ATTRIBUTES: u32 = tag(3, LEN);
        const DROPPED: u32 = tag(4, VARINT);
        let mut event = Event::default();
        let start = self.nested.len();
        while let Some(tag) = reader.tag()? {
            match tag {
                TIME => event.time = reader.fixed64()?,
                NAME => event.name = cx.text(reader.bytes()?),
                ATTRIBUTES => push_attribute(cx, reader.message()?, "attributes", &mut self.nested, start)?,
                DROPPED => event.dropped_attributes = low_u32(reader.varint()?),
                _ => reader.skip(tag)?,
            }
        }
        drop_duplicates(cx, &mut self.nested, start);
        event.attributes = start..self.nested.len();
        self.events.push(event);
        Ok(())
    }

    fn link(&mut self, cx: &mut Context<'a>, mut reader: Reader<'a>) -> Result<()> {
        const TRACE_ID: u32 = tag(1, LEN);
        const SPAN_ID: u32 = tag(2, LEN);
        const TRACE_STATE: u32 = tag(3, LEN);
        const ATTRIBUTES: u32 = tag(4, LEN);
        const DROPPED: u32 = tag(5, VARINT);
        const FLAGS: u32 = tag(6, FIXED32);
        let mut link = Link::default();
        let start = self.nested.len();
        while let Some(tag) = reader.tag()? {
            match tag {
                TRACE_ID => link.trace_id = reader.bytes()?,
                SPAN_ID => link.span_id = reader.bytes()?,
                TRACE_STATE => link.trace_state = cx.text(reader.bytes()?),
                ATTRIBUTES => push_attribute(cx, reader.message()?, "attributes", &mut self.nested, start)?,
                DROPPED => link.dropped_attributes = low_u32(reader.varint()?),
                FLAGS => link.flags = reader.fixed32()?,
                _ => reader.skip(tag)?,
            }
        }
        drop_duplicates(cx, &mut self.nested, start);
        link.attributes = start..self.nested.len();
        self.links.push(link);
        Ok(())
    }

    fn status(&mut self, cx: &mut Context<'a>, mut reader: Reader<'a>) -> Result<()> {
        const MESSAGE: u32 = tag(2, LEN);
        const CODE: u32 = tag(3, VARINT);
        self.status_code.get_or_insert_default();
        while let Some(tag) = reader.tag()? {
            match tag {
                MESSAGE => self.status_message = cx.text(reader.bytes()?),
                CODE => self.status_code = Some(low_i32(reader.varint()?)),
                _ => reader.skip(tag)?,
            }
        }
        Ok(())
    }

    /// Why the span is refused: both its ids are required.
    fn refusal(&self) -> Option<(&'static str, usize, &'a [u8])> {
        if valid_id::<16>(self.trace_id).is_none() {
            return Some(("trace_id", 16, self.trace_id));
        }
        valid_id::<8>(self.span_id).is_none().then_some(("span_id", 8, self.span_id))
    }
}

fn refuse(cx: &mut Context<'_>, name: &str, size: usize, id: &[u8]) {
    let row = cx.counts.items;
    cx.reject(|| {
        let got = if id.len() == size { "zeros".to_owned() } else { id.len().to_string() };
        let hint = if id.len() == 1 { ", or text that is not hex" } else { "" };
        format!("span {row}: {name} must be {size} bytes that are not all zero, got {got}{hint}")
    });
}

/// Takes the spans that are accepted.
pub trait Spans: Sink {
    /// Takes one span.
    fn span(&mut self, span: &Span<'_>);
}

impl Spans for Discard {
    fn span(&mut self, _: &Span<'_>) {}
}

/// Reads trace requests into `sink`.
pub struct SpanItems<'a, S> {
    /// The one that is being read.
    pub(crate) span: Span<'a>,
    /// Where spans go.
    pub sink: S,
}

impl<S> SpanItems<'_, S> {
    /// A reader into `sink`.
    pub fn new(sink: S) -> Self {
        Self { span: Span::default(), sink }
    }
}

impl<S: Spans> SpanItems<'_, S> {
    /// Hands on the span that was read, unless it is refused.
    #[inline]
    pub(crate) fn hand_on(&mut self, cx: &mut Context<'_>) {
        if let Some((name, size, id)) = self.span.refusal() {
            refuse(cx, name, size, id);
        } else {
            cx.counts.items += 1;
            self.sink.span(&self.span);
        }
    }
}

impl<'a, S: Spans> Items<'a> for SpanItems<'a, S> {
    const NAMES: Names = Names { groups: "resource_spans", scopes: "scope_spans", items: "spans" };
    type Sink = S;

    fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    fn item(&mut self, cx: &mut Context<'a>, reader: Reader<'a>) -> Result<()> {
        cx.take(1, reader.rest())?;
        self.span.read(cx, reader)?;
        self.hand_on(cx);
        Ok(())
    }
}

/// The columns of `schema::SPANS`.
#[derive(Default)]
pub struct SpanColumns {
    envelopes: Envelopes,
    trace_id: Ids<16>,
    span_id: Ids<8>,
    trace_state: Text,
    parent_span_id: Ids<8>,
    flags: Vec<u32>,
    name: Text,
    kind: Vec<i32>,
    start: Vec<u64>,
    end: Vec<u64>,
    attributes: Attributes,
    dropped_attributes: Vec<u32>,
    event_lists: Lists,
    events: EventColumns,
    dropped_events: Vec<u32>,
    link_lists: Lists,
    links: LinkColumns,
    dropped_links: Vec<u32>,
    status_code: Optional<Int32Type>,
    status_message: Text,
}

impl Sink for SpanColumns {
    fn scope(&mut self, scope: &Scope<'_>) {
        self.envelopes.scope(scope, self.kind.len());
    }

    fn resource(&mut self, resource: &Resource<'_>) {
        self.envelopes.resource(resource, self.kind.len());
    }
}

impl Spans for SpanColumns {
    fn span(&mut self, span: &Span<'_>) {
        self.trace_id.push(span.trace_id);
        self.span_id.push(span.span_id);
        self.trace_state.push(span.trace_state);
        self.parent_span_id.push(span.parent_span_id);
        self.flags.push(span.flags);
        self.name.push(span.name);
        self.kind.push(span.kind);
        self.start.push(span.start);
        self.end.push(span.end);
        self.attributes.push(&span.attributes);
        self.dropped_attributes.push(span.dropped_attributes);
        span.events.iter().for_each(|event| self.events.push(event, &span.nested));
        self.event_lists.push(self.events.time.len());
        self.dropped_events.push(span.dropped_events);
        span.links.iter().for_each(|link| self.links.push(link, &span.nested));
        self.link_lists.push(self.links.flags.len());
        self.dropped_links.push(span.dropped_links);
        self.status_code.push(span.status_code);
        self.status_message.push(span.status_message);
    }
}

/// A span is hardly smaller, so columns that are made for so many are large enough.
const TYPICAL_BYTES: usize = 300;

impl SpanColumns {
    /// Columns with room for the spans of requests of `bytes` bytes.
    #[must_use]
    pub fn for_bytes(bytes: usize) -> Self {
        let rows = bytes / TYPICAL_BYTES;
        let mut columns = Self::default();
        columns.trace_id.reserve(rows);
        columns.span_id.reserve(rows);
        columns.parent_span_id.reserve(rows);
        columns.status_code.reserve(rows);
        for numbers in [&mut columns.start, &mut columns.end] {
            numbers.reserve(rows);
        }
        let counts = [&mut columns.dropped_events, &mut columns.dropped_links, &mut columns.dropped_attributes];
        for numbers in counts.into_iter().chain([&mut columns.flags]) {
            numbers.reserve(rows);
        }
        columns.kind.reserve(rows);
        for text in [&mut columns.trace_state, &mut columns.name, &mut columns.status_message] {
            text.reserve(rows);
        }
        for lists in [&mut columns.event_lists, &mut columns.link_lists] {
            lists.reserve(rows);
        }
        columns.attributes.reserve(rows, bytes / 40, bytes / 3);
        columns
    }

    /// The record batch.
    pub fn finish(self) -> RecordBatch {
        let [resource, scope] = self.envelopes.finish();
        let columns = vec![
            resource,
            scope,
            self.trace_id.finish(),
            self.span_id.finish(),
            self.trace_state.finish(),
            self.parent_span_id.finish(),
            columns::numbers::<UInt32Type>(self.flags),
            self.name.finish(),
            columns::numbers::<Int32Type>(self.kind),
            columns::numbers::<UInt64Type>(self.start),
            columns::numbers::<UInt64Type>(self.end),
            self.attributes.finish(),
            columns::numbers::<UInt32Type>(self.dropped_attributes),
            self.event_lists.finish(self.events.finish()),
            columns::numbers::<UInt32Type>(self.dropped_events),
            self.link_lists.finish(self.links.finish()),
            columns::numbers::<UInt32Type>(self.dropped_links),
            self.status_code.finish(),
            self.status_message.finish(),
        ];
        columns::batch(&schema::SPANS, columns)
    }
}

#[derive(Default)]
struct EventColumns {
    time: Vec<u64>,
    name: Text,
    attributes: Attributes,
    dropped_attributes: Vec<u32>,
}

impl EventColumns {
    fn push(&mut self, event: &Event<'_>, attributes: &[Attribute<'_>]) {
        self.time.push(event.time);
        self.name.push(event.name);
        self.attributes.push(&attributes[event.attributes.clone()]);
        self.dropped_attributes.push(event.dropped_attributes);
    }

    fn finish(self) -> ArrayRef {
        let columns = vec![
            columns::numbers::<UInt64Type>(self.time),
            self.name.finish(),
            self.attributes.finish(),
            columns::numbers::<UInt32Type>(self.dropped_attributes),
        ];
        Arc::new(columns::structs(&schema::EVENT, columns))
    }
}

#[derive(Default)]
struct LinkColumns {
    trace_id: Ids<16>,
    span_id: Ids<8>,
    trace_state: Text,
    attributes: Attributes,
    dropped_attributes: Vec<u32>,
    flags: Vec<u32>,
}

impl LinkColumns {
    fn push(&mut self, link: &Link<'_>, attributes: &[Attribute<'_>]) {
        self.trace_id.push(link.trace_id);
        self.span_id.push(link.span_id);
        self.trace_state.push(link.trace_state);
        self.attributes.push(&attributes[link.attributes.clone()]);
        self.dropped_attributes.push(link.dropped_attributes);
        self.flags.push(link.flags);
    }

    fn finish(self) -> ArrayRef {
        let columns = vec![
            self.trace_id.finish(),
            self.span_id.finish(),
            self.trace_state.finish(),
            self.attributes.finish(),
            columns::numbers::<UInt32Type>(self.dropped_attributes),
            columns::numbers::<UInt32Type>(self.flags),
        ];
        Arc::new(columns::structs(&schema::LINK, columns))
    }
}
