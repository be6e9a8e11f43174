//! The table of log records.

use super::maps::Maps;
use super::rows::Rows;
use super::strings::{Low, Strings};
use super::table::{Column, EnvelopeRuns, Part};
use crate::logs::{Log, Logs};

/// Rows of `otel_logs`.
#[derive(Default)]
pub struct LogPart {
    runs: EnvelopeRuns,
    timestamp: Vec<u64>,
    trace_id: Strings,
    span_id: Strings,
    trace_flags: Vec<u8>,
    severity_text: Low,
    severity_number: Vec<u8>,
    body: Strings,
    attributes: Maps,
    event_name: Low,
    scratch: String,
}

impl Logs for Rows<LogPart, 1> {
    fn log(&mut self, log: &Log<'_>) {
        let Some((time, part)) = self.place(0, [log.time, log.observed_time]) else { return };
        part.timestamp.push(time);
        part.trace_id.push_id::<16>(log.trace_id);
        part.span_id.push_id::<8>(log.span_id);
        part.trace_flags.push(log.flags as u8);
        part.severity_text.push(log.severity_text.as_bytes());
        part.severity_number.push(log.severity_number.clamp(0, 255) as u8);
        part.body.push_any(log.body.as_ref(), &mut part.scratch);
        part.attributes.push(&log.attributes);
        part.event_name.push(log.event_name.as_bytes());
    }
}

impl Part for LogPart {
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
            "TraceFlags" => column.numbers("UInt8", &self.trace_flags),
            "SeverityText" => column.low(&self.severity_text),
            "SeverityNumber" => column.numbers("UInt8", &self.severity_number),
            "Body" => column.strings(&self.body),
            "LogAttributes" => column.maps(&self.attributes),
            "EventName" => column.low(&self.event_name),
            _ => return false,
        }
        true
    }
}
