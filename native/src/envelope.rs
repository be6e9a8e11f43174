//! Resources and scopes: what requests of every signal wrap around their items, with the same field numbers.

use arrow_array::ArrayRef;
use arrow_array::types::UInt32Type;

use crate::columns::{self, Attributes, Bytes, Lists, Text};
use crate::context::Context;
use crate::fault::{Result, Within};
use crate::schema;
use crate::value::{Attribute, drop_duplicates, push_attribute};
use crate::wire::{LEN, Reader, VARINT, low_u32, tag};
use crate::writer::Writer;

const GROUPS: u32 = tag(1, LEN);
const ENVELOPE: u32 = tag(1, LEN);
const CONTENT: u32 = tag(2, LEN);
const SCHEMA_URL: u32 = tag(3, LEN);

/// Names of the fields of one signal's requests, for refusals.
pub struct Names {
    /// Field of the request.
    pub groups: &'static str,
    /// Field of a resource's group.
    pub scopes: &'static str,
    /// Field of a scope's group.
    pub items: &'static str,
}

/// A resource and its schema.
#[derive(Default)]
pub struct Resource<'a> {
    /// Whether the message was there.
    pub present: bool,
    /// Its attributes.
    pub attributes: Vec<Attribute<'a>>,
    /// How many attributes the sender dropped.
    pub dropped_attributes_count: u32,
    /// Serialized `EntityRef` messages.
    pub entity_refs: Vec<Vec<u8>>,
    /// The schema of the resource.
    pub schema_url: &'a str,
}

/// An instrumentation scope and its schema.
#[derive(Default)]
pub struct Scope<'a> {
    /// Whether the message was there.
    pub present: bool,
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Its attributes.
    pub attributes: Vec<Attribute<'a>>,
    /// How many attributes the sender dropped.
    pub dropped_attributes_count: u32,
    /// The schema of the scope's items.
    pub schema_url: &'a str,
}

/// What is done with what is read: columns are built, or nothing is kept.
pub trait Sink {
    /// Takes the scope of all items that came since the last call. Nothing is kept of a scope without items.
    fn scope(&mut self, scope: &Scope<'_>);
    /// As `scope`, for the resource.
    fn resource(&mut self, resource: &Resource<'_>);
}

/// Reads the items of one signal.
pub trait Items<'a> {
    /// For refusals.
    const NAMES: Names;
    /// Where the envelopes go.
    type Sink: Sink;
    /// Where the envelopes go.
    fn sink(&mut self) -> &mut Self::Sink;
    /// Reads the message of one item: a span, a log record or a metric.
    fn item(&mut self, cx: &mut Context<'a>, reader: Reader<'a>) -> Result<()>;
}

/// Reads one export request.
pub fn request<'a, I: Items<'a>>(cx: &mut Context<'a>, bytes: &'a [u8], items: &mut I) -> Result<()> {
    cx.begin();
    let mut reader = Reader::new(bytes);
    let mut index = 0;
    while let Some(tag) = reader.tag()? {
        if tag == GROUPS {
            group(cx, reader.message()?, items).within_item(I::NAMES.groups, index)?;
            index += 1;
        } else {
            reader.skip(tag)?;
        }
    }
    Ok(())
}

fn group<'a, I: Items<'a>>(cx: &mut Context<'a>, mut reader: Reader<'a>, items: &mut I) -> Result<()> {
    let mut resource = Resource::default();
    let mut index = 0;
    while let Some(tag) = reader.tag()? {
        match tag {
            ENVELOPE => resource.merge(cx, reader.message()?).within("resource")?,
            CONTENT => {
                scoped(cx, reader.message()?, items).within_item(I::NAMES.scopes, index)?;
                index += 1;
            }
            SCHEMA_URL => resource.schema_url = cx.text(reader.bytes()?),
            _ => reader.skip(tag)?,
        }
    }
    drop_duplicates(cx, &mut resource.attributes, 0);
    items.sink().resource(&resource);
    Ok(())
}

fn scoped<'a, I: Items<'a>>(cx: &mut Context<'a>, mut reader: Reader<'a>, items: &mut I) -> Result<()> {
    let mut scope = Scope::default();
    let mut index = 0;
    while let Some(tag) = reader.tag()? {
        match tag {
            ENVELOPE => scope.merge(cx, reader.message()?).within("scope")?,
            CONTENT => {
                items.item(cx, reader.message()?).within_item(I::NAMES.items, index)?;
                index += 1;
            }
            SCHEMA_URL => scope.schema_url = cx.text(reader.bytes()?),
            _ => reader.skip(tag)?,
        }
    }
    drop_duplicates(cx, &mut scope.attributes, 0);
    items.sink().scope(&scope);
    Ok(())
}

impl<'a> Resource<'a> {
    fn merge(&mut self, cx: &mut Context<'a>, mut reader: Reader<'a>) -> Result<()> {
        const ATTRIBUTES: u32 = tag(1, LEN);
        const DROPPED: u32 = tag(2, VARINT);
        const ENTITY_REFS: u32 = tag(3, LEN);
        self.present = true;
        while let Some(tag) = reader.tag()? {
            match tag {
                ATTRIBUTES => push_attribute(cx, reader.message()?, "attributes", &mut self.attributes, 0)?,
                DROPPED => self.dropped_attributes_count = low_u32(reader.varint()?),
                ENTITY_REFS => {
                    let index = self.entity_refs.len();
                    let normal = entity_ref(cx, reader.message()?).within_item("entity_refs", index)?;
                    self.entity_refs.push(normal);
                }
                _ => reader.skip(tag)?,
            }
        }
        Ok(())
    }
}

/// Reads an `EntityRef` and writes it again in normal form.
pub(crate) fn entity_ref<'a>(cx: &mut Context<'a>, mut reader: Reader<'a>) -> Result<Vec<u8>> {
    let (mut schema_url, mut kind, mut keys) = ("", "", [const { Vec::new() }; 2]);
    while let Some(field) = reader.tag()? {
        match field {
            _ if field == tag(1, LEN) => schema_url = cx.text(reader.bytes()?),
            _ if field == tag(2, LEN) => kind = cx.text(reader.bytes()?),
            _ if field == tag(3, LEN) => keys[0].push(cx.text(reader.bytes()?)),
            _ if field == tag(4, LEN) => keys[1].push(cx.text(reader.bytes()?)),
            _ => reader.skip(field)?,
        }
    }
    let mut writer = Writer::default();
    writer.bytes(1, schema_url.as_bytes());
    writer.bytes(2, kind.as_bytes());
    for (number, keys) in (3..).zip(keys) {
        keys.iter().for_each(|key| writer.bytes_always(number, key.as_bytes()));
    }
    Ok(writer.out)
}

impl<'a> Scope<'a> {
    fn merge(&mut self, cx: &mut Context<'a>, mut reader: Reader<'a>) -> Result<()> {
        const NAME: u32 = tag(1, LEN);
        const VERSION: u32 = tag(2, LEN);
        const ATTRIBUTES: u32 = tag(3, LEN);
        const DROPPED: u32 = tag(4, VARINT);
        self.present = true;
        while let Some(tag) = reader.tag()? {
            match tag {
                NAME => self.name = cx.text(reader.bytes()?),
                VERSION => self.version = cx.text(reader.bytes()?),
                ATTRIBUTES => push_attribute(cx, reader.message()?, "attributes", &mut self.attributes, 0)?,
                DROPPED => self.dropped_attributes_count = low_u32(reader.varint()?),
                _ => reader.skip(tag)?,
            }
        }
        Ok(())
    }
}

/// Keeps nothing.
pub struct Discard;

impl Sink for Discard {
    fn scope(&mut self, _: &Scope<'_>) {}
    fn resource(&mut self, _: &Resource<'_>) {}
}

/// The dictionary columns `resource` and `scope`.
#[derive(Default)]
pub struct Envelopes {
    resources: Resources,
    scopes: Scopes,
    resource_keys: Vec<i32>,
    scope_keys: Vec<i32>,
}

impl Envelopes {
    /// Puts the rows from the last call up to `rows` under `scope`.
    pub fn scope(&mut self, scope: &Scope<'_>, rows: usize) {
        if rows > self.scope_keys.len() {
            self.scope_keys.resize(rows, self.scopes.present.len() as i32);
            self.scopes.push(scope);
        }
    }

    /// Puts the rows from the last call up to `rows` under `resource`.
    pub fn resource(&mut self, resource: &Resource<'_>, rows: usize) {
        if rows > self.resource_keys.len() {
            self.resource_keys.resize(rows, self.resources.present.len() as i32);
            self.resources.push(resource);
        }
    }

    /// The columns, in the order of the schemas.
    pub fn finish(self) -> [ArrayRef; 2] {
        [
            columns::dictionary(self.resource_keys, self.resources.finish()),
            columns::dictionary(self.scope_keys, self.scopes.finish()),
        ]
    }
}

#[derive(Default)]
struct Resources {
    present: Vec<bool>,
    attributes: Attributes,
    dropped: Vec<u32>,
    entity_refs: Bytes,
    entity_ref_lists: Lists,
    schema_url: Text,
}

impl Resources {
    fn push(&mut self, resource: &Resource<'_>) {
        self.present.push(resource.present);
        self.attributes.push(&resource.attributes);
        self.dropped.push(resource.dropped_attributes_count);
        resource.entity_refs.iter().for_each(|entity| self.entity_refs.push(entity));
        self.entity_ref_lists.push(self.entity_refs.count());
        self.schema_url.push(resource.schema_url);
    }

    fn finish(self) -> arrow_array::StructArray {
        let columns = vec![
            columns::booleans(self.present),
            self.attributes.finish(),
            columns::numbers::<UInt32Type>(self.dropped),
            self.entity_ref_lists.finish(self.entity_refs.finish()),
            self.schema_url.finish(),
        ];
        columns::structs(&schema::RESOURCE, columns)
    }
}

#[derive(Default)]
struct Scopes {
    present: Vec<bool>,
    name: Text,
    version: Text,
    attributes: Attributes,
    dropped: Vec<u32>,
    schema_url: Text,
}

impl Scopes {
    fn push(&mut self, scope: &Scope<'_>) {
        self.present.push(scope.present);
        self.name.push(scope.name);
        self.version.push(scope.version);
        self.attributes.push(&scope.attributes);
        self.dropped.push(scope.dropped_attributes_count);
        self.schema_url.push(scope.schema_url);
    }

    fn finish(self) -> arrow_array::StructArray {
        let columns = vec![
            columns::booleans(self.present),
            self.name.finish(),
            self.version.finish(),
            self.attributes.finish(),
            columns::numbers::<UInt32Type>(self.dropped),
            self.schema_url.finish(),
        ];
        columns::structs(&schema::SCOPE, columns)
    }
}
