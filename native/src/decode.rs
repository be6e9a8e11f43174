//! Requests to counts, or to counts and columns.

use arrow_array::RecordBatch;
use bumpalo::Bump;

use crate::context::{Context, Counts, Limits};
use crate::envelope::{Discard, Items, request};
use crate::fault::Fault;
use crate::logs::{LogColumns, LogItems};
use crate::metrics::{MetricItems, PointColumns};
use crate::traces::{SpanColumns, SpanItems};

/// The kinds of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Data points.
    Metrics,
    /// Log records.
    Logs,
}

/// A text grows at most eightfold on its way from the wire to a column, and Arrow's offsets end at 2 GiB.
const MAX_BYTES: usize = 1 << 28;

/// A fault, and which of the requests had it.
pub type Refused = (usize, Fault);

fn read<'a, I: Items<'a>>(
    cx: &mut Context<'a>,
    requests: &[&'a [u8]],
    items: &mut I,
) -> std::result::Result<(), Refused> {
    if requests.iter().map(|request| request.len()).sum::<usize>() > MAX_BYTES {
        return Err((0, Fault::whole(format!("more than {MAX_BYTES} bytes in one batch"))));
    }
    for (index, bytes) in requests.iter().enumerate() {
        request(cx, bytes, items).map_err(|fault| (index, fault))?;
    }
    Ok(())
}

/// Validates a request and counts its items.
pub fn scan(signal: Signal, bytes: &[u8], limits: Limits) -> std::result::Result<Counts, Refused> {
    let bump = Bump::new();
    let mut cx = Context::new(limits, &bump);
    match signal {
        Signal::Traces => read(&mut cx, &[bytes], &mut SpanItems::new(Discard)),
        Signal::Metrics => read(&mut cx, &[bytes], &mut MetricItems::new(Discard)),
        Signal::Logs => read(&mut cx, &[bytes], &mut LogItems::new(Discard)),
    }?;
    Ok(cx.counts)
}

/// The rows of all requests.
pub fn decode(
    signal: Signal,
    requests: &[&[u8]],
    limits: Limits,
) -> std::result::Result<(RecordBatch, Counts), Refused> {
    let bump = Bump::new();
    let mut cx = Context::new(limits, &bump);
    let bytes = requests.iter().map(|request| request.len()).sum();
    let batch = match signal {
        Signal::Traces => {
            let mut items = SpanItems::new(SpanColumns::for_bytes(bytes));
            read(&mut cx, requests, &mut items)?;
            items.sink.finish()
        }
        Signal::Metrics => {
            let mut items = MetricItems::new(PointColumns::default());
            read(&mut cx, requests, &mut items)?;
            items.sink.finish()
        }
        Signal::Logs => {
            let mut items = LogItems::new(LogColumns::default());
            read(&mut cx, requests, &mut items)?;
            items.sink.finish()
        }
    };
    Ok((batch, cx.counts))
}
