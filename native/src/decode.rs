//! Requests to counts, or to counts and columns.

use arrow_array::RecordBatch;
use bumpalo::Bump;

use crate::census;
use crate::context::{Context, Counts, Limits};
use crate::descriptor::Message;
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

/// Which of the requests was refused, and why.
pub type Refused = (usize, Fault);

/// Result of reading requests.
pub type Result<T> = std::result::Result<T, Refused>;

/// Validates a request and counts its items.
///
/// # Errors
/// If the request is not what it should be, or breaks a limit.
pub fn scan(signal: Signal, bytes: &[u8], limits: Limits) -> Result<Counts> {
    let requests = Requests { signal, bytes: &[bytes] };
    let arena = Bump::new();
    let mut cx = Context::new(limits, &arena);
    match signal {
        Signal::Traces => requests.read(&mut cx, &mut SpanItems::new(Discard)),
        Signal::Metrics => requests.read(&mut cx, &mut MetricItems::new(Discard)),
        Signal::Logs => requests.read(&mut cx, &mut LogItems::new(Discard)),
    }?;
    Ok(cx.counts)
}

/// The rows of all requests.
///
/// # Errors
/// If a request is not what it should be, or breaks a limit.
pub fn decode(signal: Signal, bytes: &[&[u8]], limits: Limits) -> Result<(RecordBatch, Counts)> {
    let requests = Requests { signal, bytes };
    let total = requests.total()?;
    let arena = Bump::new();
    let mut cx = Context::new(limits, &arena);
    let batch = match signal {
        Signal::Traces => {
            let mut items = SpanItems::new(SpanColumns::for_bytes(total));
            requests.read(&mut cx, &mut items)?;
            items.sink.finish()
        }
        Signal::Metrics => {
            let mut items = MetricItems::new(PointColumns::default());
            requests.read(&mut cx, &mut items)?;
            items.sink.finish()
        }
        Signal::Logs => {
            let mut items = LogItems::new(LogColumns::default());
            requests.read(&mut cx, &mut items)?;
            items.sink.finish()
        }
    };
    Ok((batch, cx.counts))
}

struct Requests<'a, 'b> {
    signal: Signal,
    bytes: &'b [&'a [u8]],
}

impl<'a> Requests<'a, '_> {
    fn total(&self) -> Result<usize> {
        let total = self.bytes.iter().map(|bytes| bytes.len()).sum();
        if total > MAX_BYTES {
            return Err((0, Fault::size(format!("more than {MAX_BYTES} bytes of requests in one batch"))));
        }
        Ok(total)
    }

    fn read<I: Items<'a>>(&self, cx: &mut Context<'a>, items: &mut I) -> Result<()> {
        for (index, bytes) in self.bytes.iter().enumerate() {
            let checked = census::check(Message::request(self.signal), bytes);
            checked.and_then(|()| request(cx, bytes, items)).map_err(|fault| (index, fault))?;
        }
        Ok(())
    }
}
