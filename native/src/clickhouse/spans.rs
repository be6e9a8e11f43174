//! The table of spans.

use super::days::clamped;
use super::maps::{MAP, Maps};
use super::rows::Rows;
use super::strings::{Low, Strings};
use super::table::{Column, EnvelopeRuns, Part};
use crate::traces::{Span, Spans};

const KINDS: [&str; 6] = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"];
const STATUS_CODES: [&str; 3] = ["Unset", "Ok", "Error"];

/// Rows of `otel_traces`.
#[derive(Default)]
pub struct SpanPart {
    runs: EnvelopeRuns,
    timestamp: Vec<u64>,
    trace_id: Strings,
    span_id: Strings,
    parent_span_id: Strings,
    trace_state: Strings,
    name: Low,
    kind: Low,
    attributes: Maps,
    duration: Vec<u64>,
    status_code: Low,
    status_message: Strings,
    event_ends: Vec<u64>,
    event_times: Vec<u64>,
    event_names: Low,
    event_attributes: Maps,
    link_ends: Vec<u64>,
    link_trace_ids: Strings,
    link_span_ids: Strings,
    link_trace_states: Strings,
    link_attributes: Maps,
}

/// The name of a number, empty for those that have none.
fn named<const N: usize>(names: [&'static str; N], number: i32) -> &'static [u8] {
    usize::try_from(number).ok().and_then(|number| names.get(number)).map_or(b"", |name| name.as_bytes())
}

impl Spans for Rows<SpanPart, 1> {
    fn span(&mut self, span: &Span<'_>) {
        let Some((time, part)) = self.place(0, [span.start, span.end]) else { return };
        part.timestamp.push(time);
        part.trace_id.push_id::<16>(span.trace_id);
        part.span_id.push_id::<8>(span.span_id);
        part.parent_span_id.push_id::<8>(span.parent_span_id);
        part.trace_state.push(span.trace_state.as_bytes());
        part.name.push(span.name.as_bytes());
        part.kind.push(named(KINDS, span.kind));
        part.attributes.push(&span.attributes);
        part.duration.push(if span.start > 0 { span.end.saturating_sub(span.start) } else { 0 });
        part.status_code.push(named(STATUS_CODES, span.status_code.unwrap_or(0)));
        part.status_message.push(span.status_message.as_bytes());
        part.nested(span);
    }
}

impl SpanPart {
    fn nested(&mut self, span: &Span<'_>) {
        for event in &span.events {
            self.event_times.push(clamped(event.time));
            self.event_names.push(event.name.as_bytes());
            self.event_attributes.push(&span.nested[event.attributes.clone()]);
        }
        self.event_ends.push(self.event_times.len() as u64);
        for link in &span.links {
            self.link_trace_ids.push_id::<16>(link.trace_id);
            self.link_span_ids.push_id::<8>(link.span_id);
            self.link_trace_states.push(link.trace_state.as_bytes());
            self.link_attributes.push(&span.nested[link.attributes.clone()]);
        }
        self.link_ends.push(self.link_attributes.len() as u64);
    }
}

impl Part for SpanPart {
    fn rows(&self) -> usize {
        self.timestamp.len()
    }

    fn runs(&self) -> &EnvelopeRuns {
        &self.runs
    }

    fn runs_mut(&mut self) -> &mut EnvelopeRuns {
        &mut self.runs
    }

    fn column(&self, name: &str, column: &mut Column<'_>) -> bool {
        match name {
            "Timestamp" => column.times(&self.timestamp),
            "TraceId" => column.strings(&self.trace_id),
            "SpanId" => column.strings(&self.span_id),
            "ParentSpanId" => column.strings(&self.parent_span_id),
            "TraceState" => column.strings(&self.trace_state),
            "SpanName" => column.low(&self.name),
            "SpanKind" => column.low(&self.kind),
            "SpanAttributes" => column.maps(&self.attributes),
            "Duration" => column.numbers("UInt64", &self.duration),
            "StatusCode" => column.low(&self.status_code),
            "StatusMessage" => column.strings(&self.status_message),
            "Events.Timestamp" => column.time_lists(&self.event_ends, &self.event_times),
            "Events.Name" => {
                column.low_lists("LowCardinality(String)", &self.event_ends, |out| self.event_names.write(out));
            }
            "Events.Attributes" => column.low_lists(MAP, &self.event_ends, |out| self.event_attributes.write(out)),
            "Links.TraceId" => column.string_lists(&self.link_ends, &self.link_trace_ids),
            "Links.SpanId" => column.string_lists(&self.link_ends, &self.link_span_ids),
            "Links.TraceState" => column.string_lists(&self.link_ends, &self.link_trace_states),
            "Links.Attributes" => column.low_lists(MAP, &self.link_ends, |out| self.link_attributes.write(out)),
            _ => return false,
        }
        true
    }
}
