//! Requests to the bodies of inserts.

use bumpalo::Bump;

use super::logs::LogPart;
use super::points::{KINDS, PointPart};
use super::rows::Rows;
use super::spans::SpanPart;
use super::table::{Body, Layout, Part};
use crate::context::{Context, Limits};
use crate::decode::{Refused, Signal};
use crate::envelope::{Items, request};
use crate::logs::LogItems;
use crate::metrics::MetricItems;
use crate::traces::SpanItems;

/// Names of the tables of a signal.
#[must_use]
pub const fn tables(signal: Signal) -> &'static [&'static str] {
    match signal {
        Signal::Traces => &["traces"],
        Signal::Logs => &["logs"],
        Signal::Metrics => &KINDS,
    }
}

/// The body of each insert: the number of its table, its first day since the epoch, the block. `layouts` are those
/// of `tables(signal)`.
pub fn bodies(
    signal: Signal,
    requests: &[&[u8]],
    limits: Limits,
    layouts: &[Layout],
    received_at: u64,
) -> Result<Vec<(usize, u64, Body)>, Refused> {
    match signal {
        Signal::Traces => twice(Rows::<SpanPart, 1>::new(received_at), layouts, |rows| {
            let arena = Bump::new();
            let mut items = SpanItems::new(rows);
            read(&mut Context::new(limits, &arena), requests, &mut items)?;
            Ok(items.sink)
        }),
        Signal::Logs => twice(Rows::<LogPart, 1>::new(received_at), layouts, |rows| {
            let arena = Bump::new();
            let mut items = LogItems::new(rows);
            read(&mut Context::new(limits, &arena), requests, &mut items)?;
            Ok(items.sink)
        }),
        Signal::Metrics => twice(Rows::<PointPart, 5>::new(received_at), layouts, |rows| {
            let arena = Bump::new();
            let mut items = MetricItems::new(rows);
            read(&mut Context::new(limits, &arena), requests, &mut items)?;
            Ok(items.sink)
        }),
    }
}

fn read<'a, I: Items<'a>>(cx: &mut Context<'a>, requests: &[&'a [u8]], items: &mut I) -> Result<(), Refused> {
    requests
        .iter()
        .enumerate()
        .try_for_each(|(index, bytes)| request(cx, bytes, items).map_err(|fault| (index, fault)))
}

/// Reads once where there is one day, and again where there turn out to be more.
fn twice<P: Part + Default, const TABLES: usize>(
    rows: Rows<P, TABLES>,
    layouts: &[Layout],
    fill: impl Fn(Rows<P, TABLES>) -> Result<Rows<P, TABLES>, Refused>,
) -> Result<Vec<(usize, u64, Body)>, Refused> {
    let mut rows = fill(rows)?;
    if let Some(again) = rows.again() {
        rows = fill(again)?;
    }
    Ok(rows.finish(layouts))
}
