//! What holds for any bytes at all: checked by the fuzz targets, and on their corpus by the tests.

use std::collections::HashSet;

use bytes::Bytes;
use h2::Reason;
use http::HeaderMap;

use crate::clickhouse::batch::{Batch, Source};
use crate::context::Limits;
use crate::decode::{Signal, decode, scan};
use crate::encode::encode;
use crate::http2::connection::{Bounds, Connection, Event};
use crate::json::{to_json, to_proto};

/// Every signal.
pub const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Metrics, Signal::Logs];

/// Every column that a table may have.
const COLUMNS: &str = "
    ServiceName ResourceSchemaUrl ResourceAttributes ScopeName ScopeVersion ScopeSchemaUrl ScopeAttributes
    ScopeDroppedAttrCount Timestamp TraceId SpanId
    ParentSpanId TraceState SpanName SpanKind SpanAttributes Duration StatusCode StatusMessage Events.Timestamp
    Events.Name Events.Attributes Links.TraceId Links.SpanId Links.TraceState Links.Attributes
    TraceFlags SeverityText SeverityNumber Body LogAttributes EventName
    MetricName MetricDescription MetricUnit AggregationTemporality IsMonotonic Attributes StartTimeUnix TimeUnix Flags
    Value Count Sum Min Max Scale ZeroCount PositiveOffset NegativeOffset BucketCounts PositiveBucketCounts
    NegativeBucketCounts ExplicitBounds ValueAtQuantiles.Quantile ValueAtQuantiles.Value
    Exemplars.FilteredAttributes Exemplars.TimeUnix Exemplars.Value Exemplars.SpanId Exemplars.TraceId";

/// A request is refused by all doors or by none, and what is read of it stays the same when it is written and read.
///
/// # Panics
/// If that does not hold.
pub fn protobuf(signal: Signal, request: &[u8]) {
    let scanned = scan(signal, request, Limits::default());
    let decoded = decode(signal, &[request], Limits::default());
    let (Ok(counts), Ok((columns, same))) = (&scanned, &decoded) else {
        assert!(scanned.is_err() && decoded.is_err(), "one door refuses what another takes");
        return;
    };
    assert_eq!((counts, counts.items), (same, columns.num_rows()));
    let written = encode(signal, columns).expect("columns that were read can be written");
    let (again, _) = decode(signal, &[&written], Limits::default()).expect("what was written can be read");
    assert_eq!(written, encode(signal, &again).expect("as before"), "writing is not stable");
    let document = to_json(signal, request).expect("a request that is accepted has JSON");
    to_proto(signal, &document, Limits::default().depth).expect("JSON that was written can be read");
    let document = to_json(signal, &written).expect("as before");
    if document.windows(3).any(|text| text == b"NaN") {
        return; // which of many NaNs it was, JSON does not tell
    }
    let read = to_proto(signal, &document, Limits::default().depth).expect("as before");
    let (third, _) = decode(signal, &[&read], Limits::default()).expect("as before");
    assert_eq!(written, encode(signal, &third).expect("as before"), "JSON does not keep everything");
}

/// A request that is accepted becomes blocks for ClickHouse that hold every one of its items, and so do its columns.
///
/// # Panics
/// If that does not hold.
pub fn clickhouse(signal: Signal, request: &[u8]) {
    let Ok((columns, counts)) = decode(signal, &[request], Limits::default()) else { return };
    let read = |source| Batch::read(signal, &[source, source], Limits::default(), 1).expect("what is accepted");
    let rows = read(Source::Request(request));
    let parts = rows.parts();
    assert_eq!(parts.iter().map(|(_, _, rows)| rows).sum::<usize>(), 2 * counts.items);
    let same = read(Source::Columns(&columns));
    assert_eq!(parts, same.parts());
    let layout = COLUMNS.split_whitespace().map(|name| (name.to_owned(), "DateTime".to_owned())).collect();
    for part in 0..parts.len() {
        let block = rows.block(part, &layout).expect("a part that was told");
        assert_eq!(usize::from(block.bytes[0]), block.columns.len());
        assert!(block.bytes == same.block(part, &layout).expect("the same part").bytes, "columns give other rows");
    }
    assert!(rows.block(parts.len(), &layout).is_none());
}

/// A JSON document is refused, or becomes a request whose JSON says the same.
///
/// # Panics
/// If that does not hold.
pub fn json(document: &[u8]) {
    let depth = Limits::default().depth;
    for signal in SIGNALS {
        let Ok(request) = to_proto(signal, document, depth) else { continue };
        let written = to_json(signal, &request).expect("a request that was made is well-formed");
        assert_eq!(request, to_proto(signal, &written, depth).expect("JSON that was written can be read"));
    }
}

/// Whatever a gRPC client sends, in pieces of any size, calls are opened before anything else is told of them, no
/// message is larger than allowed, and nothing is told of a connection that is over. The first byte is the size of the
/// pieces, what follows is what comes after a greeting.
///
/// # Panics
/// If that does not hold.
pub fn grpc(bytes: &[u8]) {
    const LIMIT: usize = 1000;
    let Some((&size, frames)) = bytes.split_first() else { return };
    let mut connection = Connection::new(Bounds { message: LIMIT, streams: 10 });
    let mut opened = HashSet::new();
    let greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for piece in std::iter::once(&greeting[..]).chain(frames.chunks(usize::from(size).max(1))) {
        let over = connection.is_closed();
        for event in connection.receive(Bytes::copy_from_slice(piece)) {
            assert!(!over, "something is told of a connection that is over");
            match event {
                Event::Opened(stream, _) => assert!(opened.insert(stream), "a call is opened twice"),
                Event::Message(stream, message) => {
                    assert!(opened.contains(&stream), "a message of no call");
                    assert!(message.pieces.iter().map(Bytes::len).sum::<usize>() <= LIMIT);
                    connection.reply(stream, &message.pieces.concat(), false);
                }
                Event::TooLarge(stream, size) => {
                    assert!(size > LIMIT);
                    connection.finish(stream, HeaderMap::new());
                }
                Event::Ended(stream, torn) if torn => connection.reset(stream, Reason::CANCEL),
                Event::Ended(stream, _) => connection.reply(stream, b"", true),
                Event::Part(stream, _) | Event::Gone(stream) => assert!(opened.contains(&stream)),
                Event::Pings(_) => {}
            }
        }
        connection.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{clickhouse, grpc, json, protobuf};
    use crate::decode::Signal;

    /// Hands every file of a fuzz target's corpus to `check`, whole, cut short and with one byte changed.
    fn on_corpus(target: &str, check: impl Fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut files = 0;
        for entry in fs::read_dir(folder).expect("the corpus is committed") {
            let mut bytes = fs::read(entry.expect("a file").path()).expect("a readable file");
            files += 1;
            check(&bytes);
            for index in (0..bytes.len()).step_by(7) {
                check(&bytes[..index]);
                bytes[index] ^= 0x55;
                check(&bytes);
                bytes[index] ^= 0x55;
            }
        }
        assert!(files > 10, "{files} files for {target}");
    }

    #[test]
    fn requests_of_the_corpus_keep_the_properties() {
        on_corpus("traces", |bytes| {
            protobuf(Signal::Traces, bytes);
            clickhouse(Signal::Traces, bytes);
        });
        on_corpus("metrics", |bytes| {
            protobuf(Signal::Metrics, bytes);
            clickhouse(Signal::Metrics, bytes);
        });
        on_corpus("logs", |bytes| {
            protobuf(Signal::Logs, bytes);
            clickhouse(Signal::Logs, bytes);
        });
    }

    #[test]
    fn connections_of_the_corpus_keep_the_properties() {
        on_corpus("grpc", grpc);
    }

    #[test]
    fn documents_of_the_corpus_keep_the_properties() {
        on_corpus("json", json);
    }
}
