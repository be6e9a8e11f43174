//! The rows of a batch of any signal, ready to be written.

use arrow_array::RecordBatch;
use bumpalo::Bump;

use super::logs::LogPart;
use super::points::{KINDS, PointPart};
use super::rows::Rows;
use super::spans::SpanPart;
use super::table::{Block, Layout, Part};
use crate::context::{Context, Limits};
use crate::decode::Signal;
use crate::envelope::request;
use crate::face::{self, Unfit};
use crate::logs::LogItems;
use crate::metrics::MetricItems;
use crate::traces::SpanItems;

/// What rows are made of.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// A request that `scan` accepts.
    Request(&'a [u8]),
    /// Columns that somebody changed. They give the rows that the request would give which they can be written as.
    Columns(&'a RecordBatch),
}

/// Result of reading sources; with an error comes the number of the source.
type Result<T> = std::result::Result<T, (usize, Unfit)>;

/// Rows by table and day.
pub enum Batch {
    /// Of `otel_traces`.
    Traces(Rows<SpanPart, 1>),
    /// Of `otel_logs`.
    Logs(Rows<LogPart, 1>),
    /// Of the five tables of metrics.
    Metrics(Rows<PointPart, 5>),
}

/// Rows of one insert: the kind of their table, their first day since the epoch, how many there are.
pub type Told = (&'static str, u64, usize);

impl Batch {
    /// Reads sources, in order. Rows without a time get `received_at`, in nanoseconds since the epoch.
    ///
    /// # Errors
    /// If a source is not what it should be, or breaks a limit.
    pub fn read(signal: Signal, sources: &[Source<'_>], limits: Limits, received_at: u64) -> Result<Self> {
        match signal {
            Signal::Traces => twice(Rows::new(received_at), |rows| {
                let arena = Bump::new();
                let mut items = SpanItems::new(rows);
                read(signal, &mut Context::new(limits, &arena), sources, &mut items)?;
                Ok(items.sink)
            })
            .map(Self::Traces),
            Signal::Logs => twice(Rows::new(received_at), |rows| {
                let arena = Bump::new();
                let mut items = LogItems::new(rows);
                read(signal, &mut Context::new(limits, &arena), sources, &mut items)?;
                Ok(items.sink)
            })
            .map(Self::Logs),
            Signal::Metrics => twice(Rows::new(received_at), |rows| {
                let arena = Bump::new();
                let mut items = MetricItems::new(rows);
                read(signal, &mut Context::new(limits, &arena), sources, &mut items)?;
                Ok(items.sink)
            })
            .map(Self::Metrics),
        }
    }

    /// What inserts there are to make.
    #[must_use]
    pub fn parts(&self) -> Vec<Told> {
        match self {
            Self::Traces(rows) => told(rows, &["traces"]),
            Self::Logs(rows) => told(rows, &["logs"]),
            Self::Metrics(rows) => told(rows, &KINDS),
        }
    }

    /// The block of the part numbered `part` among `parts`, with the columns of `layout` that are known.
    #[must_use]
    pub fn block(&self, part: usize, layout: &Layout) -> Option<Block> {
        match self {
            Self::Traces(rows) => block(rows, part, layout),
            Self::Logs(rows) => block(rows, part, layout),
            Self::Metrics(rows) => block(rows, part, layout),
        }
    }
}

fn told<P: Part + Default, const TABLES: usize>(rows: &Rows<P, TABLES>, kinds: &[&'static str; TABLES]) -> Vec<Told> {
    rows.parts().map(|(table, day, part)| (kinds[table], day, part.rows())).collect()
}

fn block<P: Part + Default, const TABLES: usize>(
    rows: &Rows<P, TABLES>,
    part: usize,
    layout: &Layout,
) -> Option<Block> {
    rows.parts().nth(part).map(|(_, _, part)| rows.block(part, layout))
}

fn read<'a, I: face::Rows<'a>>(
    signal: Signal,
    cx: &mut Context<'a>,
    sources: &[Source<'a>],
    items: &mut I,
) -> Result<()> {
    sources.iter().enumerate().try_for_each(|(index, source)| {
        let read = match *source {
            Source::Request(bytes) => request(cx, bytes, items).map_err(Unfit::from),
            Source::Columns(batch) => face::columns(signal, batch).and_then(|columns| face::rows(cx, &columns, items)),
        };
        read.map_err(|unfit| (index, unfit))
    })
}

/// Reads once where there is one day, and again where there turn out to be more.
fn twice<P: Part + Default, const TABLES: usize>(
    rows: Rows<P, TABLES>,
    fill: impl Fn(Rows<P, TABLES>) -> Result<Rows<P, TABLES>>,
) -> Result<Rows<P, TABLES>> {
    let rows = fill(rows)?;
    match rows.again() {
        Some(again) => fill(again),
        None => Ok(rows),
    }
}
