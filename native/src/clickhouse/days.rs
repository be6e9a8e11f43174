//! Rows by day: ClickHouse makes a part of each day, and refuses an insert of too many.

use std::collections::BTreeSet;

const DAY: u64 = 86_400 * 1_000_000_000;
/// 2106-01-01: the last new year that DateTime, the type of keys, partitions and TTL, can hold.
const LATEST: u64 = 4_291_747_200 * 1_000_000_000;
/// Days that one insert may span when there are more than that: ClickHouse refuses over 100 partitions.
const DAYS_AN_INSERT: usize = 50;

/// A time as ClickHouse can hold it.
#[inline]
#[must_use]
pub fn clamped(time: u64) -> u64 {
    time.min(LATEST)
}

/// Rows of one table by day. Nearly always there is one day; this is guessed at first, and where a second one
/// turns up, only days are noted, for everything to be read again with `planned`.
pub struct Days<P> {
    plan: Plan,
    parts: Vec<P>,
}

enum Plan {
    Guess(BTreeSet<u64>),
    /// First and last day of each part.
    Known {
        spans: Vec<(u64, u64)>,
        current: usize,
    },
}

impl<P> Default for Days<P> {
    fn default() -> Self {
        Self { plan: Plan::Guess(BTreeSet::new()), parts: Vec::new() }
    }
}

impl<P: Default> Days<P> {
    /// The part for rows of `time`; none while only days are noted.
    #[inline]
    pub fn part(&mut self, time: u64) -> Option<&mut P> {
        let day = time / DAY;
        match &mut self.plan {
            Plan::Guess(days) if days.len() == 1 && days.contains(&day) => self.parts.first_mut(),
            Plan::Guess(days) => {
                days.insert(day);
                if days.len() > 1 {
                    return None;
                }
                self.parts.push(P::default());
                self.parts.first_mut()
            }
            Plan::Known { spans, current } => {
                let (first, last) = spans[*current];
                if day < first || day > last {
                    *current = spans.partition_point(|(_, last)| *last < day);
                }
                self.parts.get_mut(*current)
            }
        }
    }

    /// Whether rows must be read again.
    pub fn is_mixed(&self) -> bool {
        matches!(&self.plan, Plan::Guess(days) if days.len() > 1)
    }

    /// Empty parts for rows of the days that were noted.
    #[must_use]
    pub fn planned(&self) -> Self {
        let spans = self.spans();
        let parts = spans.iter().map(|_| P::default()).collect();
        Self { plan: Plan::Known { spans, current: 0 }, parts }
    }

    fn spans(&self) -> Vec<(u64, u64)> {
        match &self.plan {
            Plan::Known { spans, .. } => spans.clone(),
            Plan::Guess(days) => {
                let days: Vec<u64> = days.iter().copied().collect();
                let step = if days.len() <= DAYS_AN_INSERT { 1 } else { DAYS_AN_INSERT };
                days.chunks(step).map(|chunk| (chunk[0], chunk[chunk.len() - 1])).collect()
            }
        }
    }

    /// Parts, each with its first day since the epoch.
    pub fn finish(&self) -> impl Iterator<Item = (u64, &P)> {
        self.spans().into_iter().map(|(first, _)| first).zip(&self.parts)
    }

    /// All parts.
    pub fn parts(&self) -> &[P] {
        &self.parts
    }

    /// All parts, to be changed.
    pub fn parts_mut(&mut self) -> &mut [P] {
        &mut self.parts
    }
}
