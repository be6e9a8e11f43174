//! Columns to requests. Rows with one envelope that stand together share it.

mod logs;
mod metrics;
mod traces;

use std::ops::Range;

use arrow_array::RecordBatch;
use bumpalo::Bump;

use crate::context::Context;
use crate::decode::Signal;
use crate::envelope::{Resource, Scope};
use crate::face::{self, Columns, Envelopes, Result};
use crate::value::Attribute;
use crate::writer::Writer;

/// One export request with all rows.
///
/// # Errors
/// If the columns are not those of the signal, or hold what their types do not allow.
pub fn encode(signal: Signal, batch: &RecordBatch) -> Result<Vec<u8>> {
    let columns = face::columns(signal, batch)?;
    let arena = Bump::new();
    let cx = Context::as_is(&arena);
    match signal {
        Signal::Traces => request(cx, &columns, &mut traces::Rows::new(&columns)?),
        Signal::Metrics => request(cx, &columns, &mut metrics::Rows::new(&columns)?),
        Signal::Logs => request(cx, &columns, &mut logs::Rows::new(&columns)?),
    }
}

/// The items of one signal.
trait Items<'a> {
    /// Writes the items of `rows` as fields of a `ScopeSpans`, `ScopeMetrics` or `ScopeLogs`.
    fn write(&mut self, cx: &mut Context<'a>, writer: &mut Writer, rows: Range<usize>) -> Result<()>;
}

/// The field of items in what is around them, on both levels of envelopes.
const CONTENT: u32 = 2;

fn request<'a>(mut cx: Context<'a>, columns: &Columns<'a>, items: &mut impl Items<'a>) -> Result<Vec<u8>> {
    let envelopes = Envelopes::new(columns)?;
    let mut writer = Writer::default();
    for (index, members) in envelopes.resources(columns.rows.clone()) {
        let resource = envelopes.resource(&mut cx, index)?;
        writer.message(1, |group| -> Result<()> {
            resource_fields(group, &resource);
            for (index, members) in envelopes.scopes(members) {
                let scope = envelopes.scope(&mut cx, index)?;
                group.message(CONTENT, |scoped| -> Result<()> {
                    scope_fields(scoped, &scope);
                    items.write(&mut cx, scoped, members)?;
                    scoped.bytes(3, scope.schema_url.as_bytes());
                    Ok(())
                })?;
            }
            group.bytes(3, resource.schema_url.as_bytes());
            Ok(())
        })?;
    }
    Ok(writer.out)
}

fn resource_fields(writer: &mut Writer, resource: &Resource<'_>) {
    if resource.present {
        writer.message(1, |message| {
            list(message, 1, &resource.attributes);
            message.uint(2, u64::from(resource.dropped_attributes_count));
            resource.entity_refs.iter().for_each(|entity| message.bytes_always(3, entity));
        });
    }
}

fn scope_fields(writer: &mut Writer, scope: &Scope<'_>) {
    if scope.present {
        writer.message(1, |message| {
            message.bytes(1, scope.name.as_bytes());
            message.bytes(2, scope.version.as_bytes());
            list(message, 3, &scope.attributes);
            message.uint(4, u64::from(scope.dropped_attributes_count));
        });
    }
}

/// Writes attributes as fields `number`.
#[inline]
fn list(writer: &mut Writer, number: u32, attributes: &[Attribute<'_>]) {
    for attribute in attributes {
        writer.message(number, |pair| pair.attribute(attribute));
    }
}
