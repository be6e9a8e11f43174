//! Columns to requests. Rows with one envelope that stand together share it.

mod logs;
mod metrics;
mod schema;
mod traces;
mod value;
mod view;

use std::ops::Range;

use arrow_array::{RecordBatch, StructArray};
use bumpalo::Bump;

use crate::context::{Context, Limits};
use crate::decode::Signal;
use crate::envelope::entity_ref;
use crate::wire::Reader;
use crate::writer::Writer;
use value::Attributes;
use view::{Blobs, Columns, Dictionary, Lists, Texts};

/// Why columns cannot be encoded.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid(pub String);

/// Result of looking at columns that somebody else may have made.
pub type Result<T> = std::result::Result<T, Invalid>;

/// One export request with all rows.
///
/// # Errors
/// If the columns are not those of the signal, or hold what their types do not allow.
pub fn encode(signal: Signal, batch: &RecordBatch) -> Result<Vec<u8>> {
    schema::check(signal, batch)?;
    let columns = Columns::of_batch(batch);
    match signal {
        Signal::Traces => request(&columns, &traces::Spans::new(&columns)?),
        Signal::Metrics => request(&columns, &metrics::Metrics::new(&columns)?),
        Signal::Logs => request(&columns, &logs::Logs::new(&columns)?),
    }
}

/// The items of one signal.
trait Rows {
    /// Writes the items of `rows` as fields of a `ScopeSpans`, `ScopeMetrics` or `ScopeLogs`.
    fn write(&self, writer: &mut Writer, rows: Range<usize>) -> Result<()>;
}

/// The field of items in what is around them, on both levels of envelopes.
const CONTENT: u32 = 2;

fn request(columns: &Columns<'_>, rows: &impl Rows) -> Result<Vec<u8>> {
    let (resource_column, scope_column) = (columns.dictionary("resource")?, columns.dictionary("scope")?);
    let (resources, scopes) = (Resources::new(resource_column.values)?, Scopes::new(scope_column.values)?);
    let mut writer = Writer::default();
    for (resource, members) in resource_column.runs(0..columns.rows) {
        writer.message(1, |group| -> Result<()> {
            resources.write(group, resource)?;
            for (scope, members) in scope_column.runs(members) {
                group.message(CONTENT, |scoped| {
                    scopes.write(scoped, scope)?;
                    rows.write(scoped, members)?;
                    scoped.bytes(3, scopes.schema_url.at(scope));
                    Ok(())
                })?;
            }
            group.bytes(3, resources.schema_url.at(resource));
            Ok(())
        })?;
    }
    Ok(writer.out)
}

struct Resources<'a> {
    present: &'a arrow_array::BooleanArray,
    attributes: Attributes<'a>,
    dropped_attributes: &'a [u32],
    entity_refs: Lists<'a, Blobs<'a>>,
    schema_url: Texts<'a>,
}

impl<'a> Resources<'a> {
    fn new(array: &'a StructArray) -> Result<Self> {
        let columns = Columns::of_struct(array);
        Ok(Self {
            present: columns.booleans("present"),
            attributes: Attributes::new(columns.list("attributes"))?,
            dropped_attributes: columns.u32s("dropped_attributes_count"),
            entity_refs: Lists::new(columns.list("entity_refs"), Blobs::new)?,
            schema_url: columns.texts("schema_url")?,
        })
    }

    fn write(&self, writer: &mut Writer, index: usize) -> Result<()> {
        if !self.present.value(index) {
            return Ok(());
        }
        writer.message(1, |message| {
            self.attributes.write(message, 1, index)?;
            message.uint(2, u64::from(self.dropped_attributes[index]));
            for entity in self.entity_refs.range(index) {
                message.bytes_always(3, &normal(self.entity_refs.items.at(entity).unwrap_or_default())?);
            }
            Ok(())
        })
    }
}

/// An `EntityRef` that was read, for somebody else may have made it.
fn normal(entity: &[u8]) -> Result<Vec<u8>> {
    let arena = Bump::new();
    let mut cx = Context::new(Limits::NONE, &arena);
    let read = entity_ref(&mut cx, Reader::new(entity));
    let read = read.ok().filter(|_| cx.counts.replaced == 0);
    read.ok_or_else(|| Invalid("the columns hold entity_refs that are not EntityRef messages".to_owned()))
}

struct Scopes<'a> {
    present: &'a arrow_array::BooleanArray,
    name: Texts<'a>,
    version: Texts<'a>,
    attributes: Attributes<'a>,
    dropped_attributes: &'a [u32],
    schema_url: Texts<'a>,
}

impl<'a> Scopes<'a> {
    fn new(array: &'a StructArray) -> Result<Self> {
        let columns = Columns::of_struct(array);
        Ok(Self {
            present: columns.booleans("present"),
            name: columns.texts("name")?,
            version: columns.texts("version")?,
            attributes: Attributes::new(columns.list("attributes"))?,
            dropped_attributes: columns.u32s("dropped_attributes_count"),
            schema_url: columns.texts("schema_url")?,
        })
    }

    fn write(&self, writer: &mut Writer, index: usize) -> Result<()> {
        if !self.present.value(index) {
            return Ok(());
        }
        writer.message(1, |message| {
            message.bytes(1, self.name.at(index));
            message.bytes(2, self.version.at(index));
            self.attributes.write(message, 3, index)?;
            message.uint(4, u64::from(self.dropped_attributes[index]));
            Ok(())
        })
    }
}

impl Dictionary<'_> {
    /// Each envelope in turn, with those of `rows` that stand together under it.
    fn runs(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
        let (mut start, end) = (rows.start, rows.end);
        std::iter::from_fn(move || {
            let keys = self.keys.get(start..end).filter(|keys| !keys.is_empty())?;
            let length = keys.iter().take_while(|key| **key == keys[0]).count();
            let run = start..start + length;
            start = run.end;
            Some((keys[0] as usize, run))
        })
    }
}
