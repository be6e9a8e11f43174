//! The Arrow face, read row by row into the same views that requests are read into.
//!
//! Nothing is believed of the columns but that their buffers are as long as their types say.

mod envelopes;
mod logs;
mod metrics;
mod schema;
mod traces;
mod value;
mod view;

use std::ops::Range;

use arrow_array::RecordBatch;

use crate::context::Context;
use crate::decode::Signal;
use crate::envelope::{Items, Sink as _};
use crate::fault::Fault;
pub(crate) use envelopes::Envelopes;
pub(crate) use logs::Logs;
pub(crate) use metrics::Metrics;
pub(crate) use traces::Spans;
pub(crate) use view::Columns;

/// Why columns cannot be read.
#[derive(Debug)]
pub enum Unfit {
    /// They are not those of the signal, or hold what their types do not allow.
    Invalid(String),
    /// They hold more than a request may.
    Refused(Fault),
}

impl From<Fault> for Unfit {
    #[cold]
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}

impl Unfit {
    #[cold]
    fn invalid<T>(reason: impl Into<String>) -> Result<T> {
        Err(Self::Invalid(reason.into()))
    }
}

/// Result of looking at columns that somebody else may have made.
pub type Result<T> = std::result::Result<T, Unfit>;

/// The columns of `batch`, where they are those of `signal`.
pub(crate) fn columns(signal: Signal, batch: &RecordBatch) -> Result<Columns<'_>> {
    schema::check(signal, batch)?;
    Ok(Columns::of_batch(batch))
}

/// Reads the items of one signal from columns.
pub(crate) trait Rows<'a>: Items<'a> {
    /// The columns, looked at once.
    type Columns;

    /// Looks at the columns.
    fn look(columns: &Columns<'a>) -> Result<Self::Columns>;

    /// Reads the items of `rows`, which are in one scope.
    fn rows(&mut self, cx: &mut Context<'a>, columns: &Self::Columns, rows: Range<usize>) -> Result<()>;
}

/// Reads all rows, as if they came in one request.
pub(crate) fn rows<'a, I: Rows<'a>>(cx: &mut Context<'a>, columns: &Columns<'a>, items: &mut I) -> Result<()> {
    if columns.rows.len() > cx.limits.items {
        return Err(Fault::whole(format!("more than {} items", cx.limits.items)).into());
    }
    let (envelopes, looked) = (Envelopes::new(columns)?, I::look(columns)?);
    for (resource, members) in envelopes.resources(columns.rows.clone()) {
        for (scope, members) in envelopes.scopes(members) {
            items.rows(cx, &looked, members)?;
            items.sink().scope(&envelopes.scope(cx, scope)?);
        }
        items.sink().resource(&envelopes.resource(cx, resource)?);
    }
    Ok(())
}
