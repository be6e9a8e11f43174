//! What the tables have in common: how a block is written, and the columns of resources and scopes.

use arrow_buffer::{ArrowNativeType, ToByteSlice as _};

use super::maps::{MAP, Maps, Runs, SHARED_MAP, SharedMaps, SharedTexts};
use super::strings::{Low, Strings, low_prefix, varint};
use crate::envelope::{Resource, Scope};
use crate::metrics::Metric;
use crate::value::{Any, Attribute};

/// Name and ClickHouse type of each column of a table that an insert may name.
pub type Layout = Vec<(String, String)>;

/// Appends numbers as ClickHouse reads them.
pub fn numbers<T: ArrowNativeType>(out: &mut Vec<u8>, values: &[T]) {
    out.extend_from_slice(values.to_byte_slice());
}

/// Writes one column: the values that stand behind its name and type.
pub struct Column<'o> {
    out: &'o mut Vec<u8>,
    name: &'o str,
    /// Type that the column has in the table.
    pub target: &'o str,
}

impl Column<'_> {
    /// Begins a column whose values are of `kind`, which need not be that of the table.
    pub fn begin(&mut self, kind: &str) -> &mut Vec<u8> {
        for text in [self.name, kind] {
            varint(self.out, text.len());
            self.out.extend_from_slice(text.as_bytes());
        }
        self.out
    }

    /// Writes numbers.
    pub fn numbers<T: ArrowNativeType>(&mut self, kind: &str, values: &[T]) {
        numbers(self.begin(kind), values);
    }

    /// Writes a LowCardinality column.
    pub fn low(&mut self, column: &Low) {
        let out = self.begin("LowCardinality(String)");
        low_prefix(out);
        column.write(out);
    }

    /// Writes strings.
    pub fn strings(&mut self, column: &Strings) {
        self.begin("String").extend_from_slice(&column.out);
    }

    /// Writes maps.
    pub fn maps(&mut self, column: &Maps) {
        let out = self.begin(MAP);
        low_prefix(out);
        column.write(out);
    }

    /// Writes times: nanoseconds for DateTime64, seconds for the rest.
    pub fn times(&mut self, times: &[u64]) {
        let wide = self.target.contains("DateTime64");
        self.begin(if wide { "DateTime64(9)" } else { "DateTime" });
        write_times(self.out, times, wide);
    }

    /// Writes lists of what `write` writes behind their ends.
    pub fn lists(&mut self, item: &str, ends: &[u64], write: impl FnOnce(&mut Vec<u8>)) {
        numbers(self.begin(&format!("Array({item})")), ends);
        write(self.out);
    }

    /// As `lists`, of items whose type has a dictionary, and thus a prefix.
    pub fn low_lists(&mut self, item: &str, ends: &[u64], write: impl FnOnce(&mut Vec<u8>)) {
        low_prefix(self.begin(&format!("Array({item})")));
        numbers(self.out, ends);
        write(self.out);
    }

    /// Writes lists of strings.
    pub fn string_lists(&mut self, ends: &[u64], strings: &Strings) {
        self.lists("String", ends, |out| out.extend_from_slice(&strings.out));
    }

    /// Writes lists of times.
    pub fn time_lists(&mut self, ends: &[u64], times: &[u64]) {
        let wide = self.target.contains("DateTime64");
        let item = if wide { "DateTime64(9)" } else { "DateTime" };
        self.lists(item, ends, |out| write_times(out, times, wide));
    }
}

fn write_times(out: &mut Vec<u8>, times: &[u64], wide: bool) {
    if wide {
        numbers(out, times);
    } else {
        out.extend(times.iter().flat_map(|time| ((time / 1_000_000_000) as u32).to_le_bytes()));
    }
}

/// Rows of one table that go in one insert.
pub trait Part {
    /// How many there are.
    fn rows(&self) -> usize;
    /// Writes one column. Returns whether it is known.
    fn column(&self, name: &str, column: &mut Column<'_>) -> bool;
    /// Which resource, scope and metric the rows have.
    fn runs(&self) -> &EnvelopeRuns;
    /// As `runs`, to be extended.
    fn runs_mut(&mut self) -> &mut EnvelopeRuns;
}

/// A block in Native format, and the columns that it has.
pub struct Block {
    /// Their names.
    pub columns: Vec<String>,
    /// The block.
    pub bytes: Vec<u8>,
}

/// Writes the columns of `layout` that are known, which are far fewer than 128: their number is one byte.
pub fn write<P: Part>(part: &P, shared: &Shared, layout: &Layout) -> Block {
    let mut bytes = Vec::with_capacity(4096 + part.rows() * BYTES_A_ROW);
    bytes.push(0);
    varint(&mut bytes, part.rows());
    let mut columns = Vec::new();
    for (name, target) in layout {
        let mut column = Column { out: &mut bytes, name, target };
        if part.column(name, &mut column) || shared.column(name, part.runs(), &mut column) {
            columns.push(name.clone());
        }
    }
    bytes[0] = columns.len() as u8;
    Block { columns, bytes }
}

/// What most rows take, so that the block grows rarely.
const BYTES_A_ROW: usize = 384;

/// Which resource, scope and metric rows have.
#[derive(Default)]
pub struct EnvelopeRuns {
    /// Number of the resource.
    pub resources: Runs,
    /// Number of the scope.
    pub scopes: Runs,
    /// Number of the metric.
    pub metrics: Runs,
}

/// Resources, scopes and metrics, told once.
#[derive(Default)]
pub struct Shared {
    resources: usize,
    service_name: SharedTexts,
    resource_schema_url: SharedTexts,
    resource_attributes: SharedMaps,
    scopes: usize,
    scope_name: SharedTexts,
    scope_version: SharedTexts,
    scope_schema_url: SharedTexts,
    scope_attributes: SharedMaps,
    scope_dropped: Vec<u32>,
    metric_name: SharedTexts,
    metric_description: SharedTexts,
    metric_unit: SharedTexts,
    temporality: Vec<i32>,
    monotonic: Vec<u8>,
}

impl Shared {
    /// Tells a resource and returns its number.
    pub fn resource(&mut self, resource: &Resource<'_>) -> usize {
        self.service_name.push(service_name(&resource.attributes).as_bytes());
        self.resource_schema_url.push(resource.schema_url.as_bytes());
        self.resource_attributes.push(&resource.attributes);
        self.resources += 1;
        self.resources - 1
    }

    /// Tells a scope and returns its number.
    pub fn scope(&mut self, scope: &Scope<'_>) -> usize {
        self.scope_name.push(scope.name.as_bytes());
        self.scope_version.push(scope.version.as_bytes());
        self.scope_schema_url.push(scope.schema_url.as_bytes());
        self.scope_attributes.push(&scope.attributes);
        self.scope_dropped.push(scope.dropped_attributes_count);
        self.scopes += 1;
        self.scopes - 1
    }

    /// Tells a metric and returns its number.
    pub fn metric(&mut self, metric: &Metric<'_>) -> usize {
        self.metric_name.push(metric.name.as_bytes());
        self.metric_description.push(metric.description.as_bytes());
        self.metric_unit.push(metric.unit.as_bytes());
        let data = metric.data.as_ref();
        self.temporality.push(data.map_or(0, |data| data.temporality));
        self.monotonic.push(data.is_some_and(|data| data.monotonic).into());
        self.monotonic.len() - 1
    }

    fn column(&self, name: &str, runs: &EnvelopeRuns, column: &mut Column<'_>) -> bool {
        const LOW: &str = "LowCardinality(String)";
        let EnvelopeRuns { resources, scopes, metrics } = runs;
        match name {
            "ServiceName" => self.service_name.write(column.begin(LOW), resources),
            "ResourceSchemaUrl" => self.resource_schema_url.write(column.begin(LOW), resources),
            "ResourceAttributes" => self.resource_attributes.write(column.begin(SHARED_MAP), resources),
            "ScopeName" => self.scope_name.write(column.begin(LOW), scopes),
            "ScopeVersion" => self.scope_version.write(column.begin(LOW), scopes),
            "ScopeSchemaUrl" => self.scope_schema_url.write(column.begin(LOW), scopes),
            "ScopeAttributes" => self.scope_attributes.write(column.begin(SHARED_MAP), scopes),
            "ScopeDroppedAttrCount" => column.numbers("UInt32", &scopes.spread(&self.scope_dropped)),
            "MetricName" => self.metric_name.write(column.begin(LOW), metrics),
            "MetricDescription" => self.metric_description.write(column.begin(LOW), metrics),
            "MetricUnit" => self.metric_unit.write(column.begin(LOW), metrics),
            "AggregationTemporality" => column.numbers("Int32", &metrics.spread(&self.temporality)),
            "IsMonotonic" => column.numbers("Bool", &metrics.spread(&self.monotonic)),
            _ => return false,
        }
        true
    }
}

fn service_name(attributes: &[Attribute<'_>]) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == "service.name");
    let mut text = String::new();
    crate::render::text(&mut text, found.and_then(|attribute| attribute.value.as_ref()).unwrap_or(&Any::Empty));
    text
}
