//! The sink of all signals: rows by table and day, and what they share.

use super::days::{Days, clamped};
use super::maps::Runs;
use super::table::{self, Block, EnvelopeRuns, Layout, Part, Shared};
use crate::envelope::{Resource, Scope, Sink};
use crate::metrics::Metric;

/// Rows of the `TABLES` tables of a signal.
pub struct Rows<P, const TABLES: usize> {
    /// For rows that have no time, in nanoseconds.
    received_at: u64,
    shared: Shared,
    tables: [Days<P>; TABLES],
}

impl<P: Part + Default, const TABLES: usize> Rows<P, TABLES> {
    /// No rows; those without any time get `received_at`.
    #[must_use]
    pub fn new(received_at: u64) -> Self {
        Self { received_at, shared: Shared::default(), tables: std::array::from_fn(|_| Days::default()) }
    }

    /// The time of a row that gives `times`, and the part it goes to.
    #[inline]
    pub fn place<const N: usize>(&mut self, table: usize, times: [u64; N]) -> Option<(u64, &mut P)> {
        let time = times.into_iter().find(|time| *time != 0).map_or(self.received_at, clamped);
        self.tables[table].part(time).map(|part| (time, part))
    }

    /// What to read everything into again, where there was more than one day in a table.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        let mixed = self.tables.iter().any(Days::is_mixed);
        mixed.then(|| Self {
            received_at: self.received_at,
            shared: Shared::default(),
            tables: std::array::from_fn(|table| self.tables[table].planned()),
        })
    }

    /// Tells a metric, that of all rows since the last call.
    pub fn tell_metric(&mut self, metric: &Metric<'_>) {
        self.share(|runs| &mut runs.metrics, |shared| shared.metric(metric));
    }

    fn share(&mut self, which: fn(&mut EnvelopeRuns) -> &mut Runs, tell: impl FnOnce(&mut Shared) -> usize) {
        let mut number = None;
        let mut tell = Some(tell);
        for part in self.tables.iter_mut().flat_map(Days::parts_mut) {
            let rows = part.rows();
            let runs = which(part.runs_mut());
            if rows > runs.rows() {
                let shared = &mut self.shared;
                let number = *number.get_or_insert_with(|| tell.take().map_or(0, |tell| tell(shared)));
                runs.extend(number, rows);
            }
        }
    }

    /// The parts, by table and day: the number of the table, the first day since the epoch, the rows.
    pub fn parts(&self) -> impl Iterator<Item = (usize, u64, &P)> {
        let tables = self.tables.iter().enumerate();
        tables.flat_map(|(table, days)| days.finish().map(move |(day, part)| (table, day, part)))
    }

    /// The block of a part, with the columns of `layout` that are known.
    pub fn block(&self, part: &P, layout: &Layout) -> Block {
        table::write(part, &self.shared, layout)
    }
}

impl<P: Part + Default, const TABLES: usize> Sink for Rows<P, TABLES> {
    fn scope(&mut self, scope: &Scope<'_>) {
        self.share(|runs| &mut runs.scopes, |shared| shared.scope(scope));
    }

    fn resource(&mut self, resource: &Resource<'_>) {
        self.share(|runs| &mut runs.resources, |shared| shared.resource(resource));
    }
}
