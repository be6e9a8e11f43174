//! The seam to Python.

use arrow_array::RecordBatch;
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::batch::{Batch, Source, Told};
use super::compress::{Compression, compress};
use super::table::Layout;
use crate::context::Limits;
use crate::decode::Signal;
use crate::python::{record_batch, unfit};

/// The rows of a batch as ClickHouse stores them, by table and day.
#[pyclass(frozen)]
pub struct ClickHouseRows(Batch);

#[pymethods]
impl ClickHouseRows {
    /// Read requests that `scan` accepts, and columns; rows without a time get `received_at`, in nanoseconds since the
    /// epoch.
    #[new]
    fn new(
        py: Python<'_>,
        signal: Signal,
        sources: Vec<Bound<'_, PyAny>>,
        limits: Limits,
        received_at: u64,
    ) -> PyResult<Self> {
        let held: Vec<Held<'_, '_>> =
            sources.iter().map(|source| Held::new(signal, source)).collect::<PyResult<_>>()?;
        let sources: Vec<Source<'_>> = held.iter().map(Held::source).collect();
        let read = py.detach(|| Batch::read(signal, &sources, limits, received_at));
        read.map(Self).map_err(|(index, error)| match sources.get(index) {
            Some(Source::Request(bytes)) => unfit(py, &error, bytes),
            _ => unfit(py, &error, &[]),
        })
    }

    /// The inserts to make: for each the kind of its table, its first day since the epoch and the number of rows.
    fn parts(&self) -> Vec<Told> {
        self.0.parts()
    }

    /// The names of the columns of `layout` (name and type) that are known, and a compressed block of them.
    fn block<'py>(
        &self,
        py: Python<'py>,
        part: usize,
        layout: Layout,
        compression: &str,
    ) -> PyResult<(Vec<String>, Bound<'py, PyBytes>)> {
        let compression = Compression::named(compression)
            .ok_or_else(|| PyValueError::new_err(format!("{compression:?} is not a compression that is built in")))?;
        let (columns, body) = py.detach(|| {
            let block = self.0.block(part, &layout).ok_or_else(|| PyIndexError::new_err("there is no such part"))?;
            Ok::<_, PyErr>((block.columns, compress(block.bytes, compression)?))
        })?;
        Ok((columns, PyBytes::new(py, &body)))
    }
}

/// A source, and the columns that were imported for it.
enum Held<'a, 'py> {
    Request(&'a Bound<'py, PyBytes>),
    Columns(RecordBatch),
}

impl<'a, 'py> Held<'a, 'py> {
    fn new(signal: Signal, source: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        match source.cast::<PyBytes>() {
            Ok(request) => Ok(Self::Request(request)),
            Err(_) => record_batch(signal, source).map(Self::Columns),
        }
    }

    fn source(&self) -> Source<'_> {
        match self {
            Self::Request(request) => Source::Request(request.as_bytes()),
            Self::Columns(columns) => Source::Columns(columns),
        }
    }
}
