//! Resources and scopes: rows with one envelope that stand together share it.

use std::ops::Range;

use arrow_array::{BooleanArray, StructArray};
use bumpalo::Bump;

use super::value::Attributes;
use super::view::{Blobs, Columns, Dictionary, Lists, Texts};
use super::{Result, Unfit};
use crate::context::{Context, Limits};
use crate::envelope::{Resource, Scope, entity_ref};
use crate::wire::Reader;

/// The columns `resource` and `scope`.
pub struct Envelopes<'a> {
    resource_keys: Dictionary<'a>,
    resources: Resources<'a>,
    scope_keys: Dictionary<'a>,
    scopes: Scopes<'a>,
}

impl<'a> Envelopes<'a> {
    /// Looks at the columns.
    pub fn new(columns: &Columns<'a>) -> Result<Self> {
        let (resource_keys, scope_keys) = (columns.dictionary("resource")?, columns.dictionary("scope")?);
        let (resources, scopes) = (Resources::new(resource_keys.values)?, Scopes::new(scope_keys.values)?);
        Ok(Self { resource_keys, resources, scope_keys, scopes })
    }

    /// The number of each resource in turn, with those of `rows` that stand together under it.
    pub fn resources(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
        self.resource_keys.runs(rows)
    }

    /// As `resources`, for scopes.
    pub fn scopes(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
        self.scope_keys.runs(rows)
    }

    /// The resource of that number.
    pub fn resource(&self, cx: &mut Context<'a>, index: usize) -> Result<Resource<'a>> {
        self.resources.read(cx, index)
    }

    /// The scope of that number.
    pub fn scope(&self, cx: &mut Context<'a>, index: usize) -> Result<Scope<'a>> {
        self.scopes.read(cx, index)
    }
}

struct Resources<'a> {
    present: &'a BooleanArray,
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

    fn read(&self, cx: &mut Context<'a>, index: usize) -> Result<Resource<'a>> {
        let schema_url = self.schema_url.at(index);
        let mut resource = Resource { schema_url, ..Resource::default() };
        if self.present.value(index) {
            resource.present = true;
            self.attributes.push(cx, index, &mut resource.attributes)?;
            resource.dropped_attributes_count = self.dropped_attributes[index];
            for entity in self.entity_refs.range(index) {
                resource.entity_refs.push(normal(self.entity_refs.items.at(entity).unwrap_or_default())?);
            }
        }
        Ok(resource)
    }
}

/// An `EntityRef` that was read, for somebody else may have made it.
fn normal(entity: &[u8]) -> Result<Vec<u8>> {
    let arena = Bump::new();
    let mut cx = Context::new(Limits::NONE, &arena);
    match entity_ref(&mut cx, Reader::new(entity)) {
        Ok(read) if cx.counts.replaced == 0 => Ok(read),
        _ => Unfit::invalid("the columns hold entity_refs that are not EntityRef messages"),
    }
}

struct Scopes<'a> {
    present: &'a BooleanArray,
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

    fn read(&self, cx: &mut Context<'a>, index: usize) -> Result<Scope<'a>> {
        let schema_url = self.schema_url.at(index);
        let mut scope = Scope { schema_url, ..Scope::default() };
        if self.present.value(index) {
            scope.present = true;
            scope.name = self.name.at(index);
            scope.version = self.version.at(index);
            self.attributes.push(cx, index, &mut scope.attributes)?;
            scope.dropped_attributes_count = self.dropped_attributes[index];
        }
        Ok(scope)
    }
}

impl Dictionary<'_> {
    /// Each envelope in turn, with those of `rows` that stand together under it.
    pub fn runs(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
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
