//! Log records: read from requests, and their columns.

use arrow_array::RecordBatch;
use arrow_array::types::{Int32Type, UInt8Type, UInt32Type, UInt64Type};

use crate::columns::{self, Attributes, Ids, Raw, Text, kind};
use crate::context::Context;
use crate::envelope::{Discard, Envelopes, Items, Names, Resource, Scope, Sink};
use crate::fault::{Result, Within};
use crate::schema;
use crate::value::{Any, Attribute, Partial, drop_duplicates, push_attribute};
use crate::wire::{FIXED32, FIXED64, LEN, Reader, VARINT, low_i32, low_u32, tag};

/// One log record, as views of the request.
#[derive(Default)]
pub struct Log<'a> {
    pub(crate) time: u64,
    pub(crate) observed_time: u64,
    pub(crate) severity_number: i32,
    pub(crate) severity_text: &'a str,
    pub(crate) body: Option<Any<'a>>,
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) dropped_attributes: u32,
    pub(crate) flags: u32,
    pub(crate) trace_id: &'a [u8],
    pub(crate) span_id: &'a [u8],
    pub(crate) event_name: &'a str,
}

mod tags {
    use super::{FIXED32, FIXED64, LEN, VARINT, tag};

    pub const TIME: u32 = tag(1, FIXED64);
    pub const SEVERITY_NUMBER: u32 = tag(2, VARINT);
    pub const SEVERITY_TEXT: u32 = tag(3, LEN);
    pub const BODY: u32 = tag(5, LEN);
    pub const ATTRIBUTES: u32 = tag(6, LEN);
    pub const DROPPED_ATTRIBUTES: u32 = tag(7, VARINT);
    pub const FLAGS: u32 = tag(8, FIXED32);
    pub const TRACE_ID: u32 = tag(9, LEN);
    pub const SPAN_ID: u32 = tag(10, LEN);
    pub const OBSERVED_TIME: u32 = tag(11, FIXED64);
    pub const EVENT_NAME: u32 = tag(12, LEN);
}

impl<'a> Log<'a> {
    /// Makes it the empty log record, keeping its memory.
    pub(crate) fn clear(&mut self) {
        let mut attributes = std::mem::take(&mut self.attributes);
        attributes.clear();
        *self = Self { attributes, ..Self::default() };
    }

    fn read(&mut self, cx: &mut Context<'a>, mut reader: Reader<'a>) -> Result<()> {
        self.clear();
        let (mut body, mut at) = (Partial::default(), reader.rest());
        while let Some(tag) = reader.tag()? {
            match tag {
                tags::TIME => self.time = reader.fixed64()?,
                tags::OBSERVED_TIME => self.observed_time = reader.fixed64()?,
                tags::SEVERITY_NUMBER => self.severity_number = low_i32(reader.varint()?),
                tags::SEVERITY_TEXT => self.severity_text = cx.text(reader.bytes()?),
                tags::BODY => {
                    at = reader.rest();
                    body.merge(cx, reader.message()?).within("body")?;
                }
                tags::ATTRIBUTES => push_attribute(cx, reader.message()?, "attributes", &mut self.attributes, 0)?,
                tags::DROPPED_ATTRIBUTES => self.dropped_attributes = low_u32(reader.varint()?),
                tags::FLAGS => self.flags = reader.fixed32()?,
                tags::TRACE_ID => self.trace_id = reader.bytes()?,
                tags::SPAN_ID => self.span_id = reader.bytes()?,
                tags::EVENT_NAME => self.event_name = cx.text(reader.bytes()?),
                _ => reader.skip(tag)?,
            }
        }
        self.body = body.finish(cx, at).within("body")?;
        drop_duplicates(cx, &mut self.attributes, 0);
        Ok(())
    }
}

/// Takes log records.
pub trait Logs: Sink {
    /// Takes one log record.
    fn log(&mut self, log: &Log<'_>);
}

impl Logs for Discard {
    fn log(&mut self, _: &Log<'_>) {}
}

/// Reads log requests into `sink`.
pub struct LogItems<'a, S> {
    /// The one that is being read.
    pub(crate) log: Log<'a>,
    /// Where log records go.
    pub sink: S,
}

impl<S> LogItems<'_, S> {
    /// A reader into `sink`.
    pub fn new(sink: S) -> Self {
        Self { log: Log::default(), sink }
    }
}

impl<S: Logs> LogItems<'_, S> {
    /// Hands on the log record that was read.
    #[inline]
    pub(crate) fn hand_on(&mut self, cx: &mut Context<'_>) {
        cx.counts.items += 1;
        self.sink.log(&self.log);
    }
}

impl<'a, S: Logs> Items<'a> for LogItems<'a, S> {
    const NAMES: Names = Names { groups: "resource_logs", scopes: "scope_logs", items: "log_records" };
    type Sink = S;

    fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    fn item(&mut self, cx: &mut Context<'a>, reader: Reader<'a>) -> Result<()> {
        cx.take(1, reader.rest())?;
        self.log.read(cx, reader)?;
        self.hand_on(cx);
        Ok(())
    }
}

/// The columns of `schema::LOGS`.
#[derive(Default)]
pub struct LogColumns {
    envelopes: Envelopes,
    time: Vec<u64>,
    observed_time: Vec<u64>,
    severity_number: Vec<i32>,
    severity_text: Text,
    body_kind: Vec<u8>,
    body: Text,
    body_raw: Raw,
    attributes: Attributes,
    dropped_attributes: Vec<u32>,
    flags: Vec<u32>,
    trace_id: Ids<16>,
    span_id: Ids<8>,
    event_name: Text,
}

impl Sink for LogColumns {
    fn scope(&mut self, scope: &Scope<'_>) {
        self.envelopes.scope(scope, self.time.len());
    }

    fn resource(&mut self, resource: &Resource<'_>) {
        self.envelopes.resource(resource, self.time.len());
    }
}

impl Logs for LogColumns {
    fn log(&mut self, log: &Log<'_>) {
        let body = log.body.unwrap_or_default();
        self.body_raw.set(self.time.len(), &body);
        self.body_kind.push(kind(log.body.as_ref()));
        self.body.push_any(&body);
        self.time.push(log.time);
        self.observed_time.push(log.observed_time);
        self.severity_number.push(log.severity_number);
        self.severity_text.push(log.severity_text);
        self.attributes.push(&log.attributes);
        self.dropped_attributes.push(log.dropped_attributes);
        self.flags.push(log.flags);
        self.trace_id.push(log.trace_id);
        self.span_id.push(log.span_id);
        self.event_name.push(log.event_name);
    }
}

impl LogColumns {
    /// The record batch.
    pub fn finish(self) -> RecordBatch {
        let [resource, scope] = self.envelopes.finish();
        let rows = self.time.len();
        let columns = vec![
            resource,
            scope,
            columns::numbers::<UInt64Type>(self.time),
            columns::numbers::<UInt64Type>(self.observed_time),
            columns::numbers::<Int32Type>(self.severity_number),
            self.severity_text.finish(),
            columns::numbers::<UInt8Type>(self.body_kind),
            self.body.finish(),
            self.body_raw.finish(rows),
            self.attributes.finish(),
            columns::numbers::<UInt32Type>(self.dropped_attributes),
            columns::numbers::<UInt32Type>(self.flags),
            self.trace_id.finish(),
            self.span_id.finish(),
            self.event_name.finish(),
        ];
        columns::batch(&schema::LOGS, columns)
    }
}
