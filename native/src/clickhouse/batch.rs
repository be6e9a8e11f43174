//! The rows of a batch of any signal, ready to be written.

use bumpalo::Bump;

use super::logs::LogPart;
use super::points::{KINDS, PointPart};
use super::rows::Rows;
use super::spans::SpanPart;
use super::table::{Block, Layout, Part};
use crate::context::{Context, Limits};
use crate::decode::{Refused, Signal};
use crate::envelope::{Items, request};
use crate::logs::LogItems;
use crate::metrics::MetricItems;
use crate::traces::SpanItems;

type Result<T> = std::result::Result<T, Refused>;

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
    /// Reads requests that `scan` accepts. Rows without a time get `received_at`, in nanoseconds since the epoch.
    ///
    /// # Errors
    /// If a request is not what it should be, or breaks a limit.
    pub fn read(signal: Signal, requests: &[&[u8]], limits: Limits, received_at: u64) -> Result<Self> {
        match signal {
            Signal::Traces => twice(Rows::new(received_at), |rows| {
                let arena = Bump::new();
                let mut items = SpanItems::new(rows);
                read(&mut Context::new(limits, &arena), requests, &mut items)?;
                Ok(items.sink)
            })
            .map(Self::Traces),
            Signal::Logs => twice(Rows::new(received_at), |rows| {
                let arena = Bump::new();
                let mut items = LogItems::new(rows);
                read(&mut Context::new(limits, &arena), requests, &mut items)?;
                Ok(items.sink)
            })
            .map(Self::Logs),
            Signal::Metrics => twice(Rows::new(received_at), |rows| {
                let arena = Bump::new();
                let mut items = MetricItems::new(rows);
                read(&mut Context::new(limits, &arena), requests, &mut items)?;
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

fn read<'a, I: Items<'a>>(cx: &mut Context<'a>, requests: &[&'a [u8]], items: &mut I) -> Result<()> {
    requests.iter().enumerate().try_for_each(|(index, bytes)| request(cx, bytes, items).map_err(|fault| (index, fault)))
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
