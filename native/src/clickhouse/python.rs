//! The seam to Python.

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::batch::{Batch, Told};
use super::compress::{Compression, compress};
use super::table::Layout;
use crate::context::Limits;
use crate::decode::Signal;
use crate::python::refusal;

/// The rows of a batch as ClickHouse stores them, by table and day.
#[pyclass(frozen)]
pub struct ClickHouseRows(Batch);

#[pymethods]
impl ClickHouseRows {
    /// Read requests that `scan` accepts; rows without a time get `received_at`, in nanoseconds since the epoch.
    #[new]
    fn new(
        py: Python<'_>,
        signal: Signal,
        requests: Vec<Bound<'_, PyBytes>>,
        limits: Limits,
        received_at: u64,
    ) -> PyResult<Self> {
        let bytes: Vec<&[u8]> = requests.iter().map(|request| request.as_bytes()).collect();
        let read = py.detach(|| Batch::read(signal, &bytes, limits, received_at));
        read.map(Self).map_err(|refused| refusal(py, &bytes, &refused))
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
