//! The seam to Python: arguments in, `Scan` and `Rejected` out, everything else without the GIL.

use arrow_array::RecordBatch;
use arrow_array::ffi::FFI_ArrowArray;
use arrow_array::{Array as _, StructArray};
use arrow_pyarrow::{FromPyArrowUnchecked as _, ToPyArrow as _};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyType};

use crate::context::{Counts, Limits};
use crate::decode::{self as reading, Refused, Signal};
use crate::encode as writing;
use crate::fault::Fault;
use crate::json;

/// A record batch is about a hundred arrays of several allocations each, made on one thread and freed on any other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

impl<'py> FromPyObject<'_, 'py> for Signal {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match value.extract::<&str>()? {
            "traces" => Ok(Self::Traces),
            "metrics" => Ok(Self::Metrics),
            "logs" => Ok(Self::Logs),
            other => Err(PyValueError::new_err(format!("{other:?} is not a signal of OTLP"))),
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for Limits {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = value.py();
        Ok(Self {
            depth: value.getattr(pyo3::intern!(py, "depth"))?.extract()?,
            items: value.getattr(pyo3::intern!(py, "items"))?.extract()?,
            attributes: value.getattr(pyo3::intern!(py, "attributes"))?.extract()?,
        })
    }
}

fn rejected(py: Python<'_>, fault: &Fault, bytes: &[u8]) -> PyErr {
    static REJECTED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static TOO_LARGE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let (kind, name) = if fault.is_size() { (&TOO_LARGE, "TooLarge") } else { (&REJECTED, "Rejected") };
    let raised =
        kind.import(py, "collector.api.errors", name).and_then(|kind| kind.call1((fault.reason(bytes), fault.field())));
    raised.map_or_else(|error| error, PyErr::from_value)
}

pub(crate) fn refusal(py: Python<'_>, requests: &[&[u8]], (index, fault): &Refused) -> PyErr {
    rejected(py, fault, requests.get(*index).copied().unwrap_or_default())
}

fn scanned<'py>(py: Python<'py>, counts: Counts) -> PyResult<Bound<'py, PyAny>> {
    static SCAN: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let Counts { items, rejected, message, replaced, duplicates } = counts;
    SCAN.import(py, "collector.wire.types", "Scan")?.call1((items, rejected, message, replaced, duplicates))
}

/// Hands the columns over by the C data interface. Their schema is the same every time and is handed over once.
fn to_pyarrow(py: Python<'_>, signal: Signal, batch: RecordBatch) -> PyResult<Bound<'_, PyAny>> {
    static IMPORT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static SCHEMAS: [PyOnceLock<Py<PyAny>>; 3] = [const { PyOnceLock::new() }; 3];
    let import = IMPORT.get_or_try_init(py, || {
        Ok::<_, PyErr>(py.import("pyarrow")?.getattr("RecordBatch")?.getattr("_import_from_c")?.unbind())
    })?;
    let schema = SCHEMAS[signal as usize]
        .get_or_try_init(py, || Ok::<_, PyErr>(batch.schema_ref().as_ref().to_pyarrow(py)?.unbind()))?;
    let array = FFI_ArrowArray::new(&StructArray::from(batch).into_data());
    import.bind(py).call1((&raw const array as usize, schema))
}

#[pyfunction]
fn scan<'py>(
    py: Python<'py>,
    signal: Signal,
    request: &Bound<'py, PyBytes>,
    limits: Limits,
) -> PyResult<Bound<'py, PyAny>> {
    let bytes = request.as_bytes();
    let counts = py.detach(|| reading::scan(signal, bytes, limits));
    scanned(py, counts.map_err(|refused| refusal(py, &[bytes], &refused))?)
}

#[pyfunction]
fn decode<'py>(
    py: Python<'py>,
    signal: Signal,
    requests: Vec<Bound<'py, PyBytes>>,
    limits: Limits,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let bytes: Vec<&[u8]> = requests.iter().map(|request| request.as_bytes()).collect();
    let decoded = py.detach(|| reading::decode(signal, &bytes, limits));
    let (batch, counts) = decoded.map_err(|refused| refusal(py, &bytes, &refused))?;
    Ok((to_pyarrow(py, signal, batch)?, scanned(py, counts)?))
}

#[pyfunction]
fn encode<'py>(py: Python<'py>, signal: Signal, columns: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    // SAFETY: The buffers of a pyarrow object are there as its schema and its lengths say; more cannot be known of any
    // C array. `writing` takes the contents for what they are: it reads offsets, keys and text only after checking them.
    let batch = unsafe { RecordBatch::from_pyarrow_bound_unchecked(columns) };
    let batch = batch.map_err(|error| PyValueError::new_err(format!("the columns are no record batch: {error}")))?;
    let request = py.detach(|| writing::encode(signal, &batch));
    Ok(PyBytes::new(py, &request.map_err(|invalid| PyValueError::new_err(invalid.0))?))
}

#[pyfunction]
fn json_to_proto<'py>(
    py: Python<'py>,
    signal: Signal,
    document: &Bound<'py, PyBytes>,
    limits: Limits,
) -> PyResult<Bound<'py, PyBytes>> {
    let bytes = document.as_bytes();
    let request = py.detach(|| json::to_proto(signal, bytes, limits.depth));
    Ok(PyBytes::new(py, &request.map_err(|fault| rejected(py, &fault, bytes))?))
}

#[pyfunction]
fn proto_to_json<'py>(py: Python<'py>, signal: Signal, request: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyBytes>> {
    let bytes = request.as_bytes();
    let document = py.detach(|| json::to_json(signal, bytes));
    Ok(PyBytes::new(py, &document.map_err(|(_, fault)| rejected(py, &fault, bytes))?))
}

#[pyfunction]
fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let info = PyDict::new(py);
    info.set_item("version", env!("CARGO_PKG_VERSION"))?;
    info.set_item("debug", cfg!(debug_assertions))?;
    Ok(info)
}

/// The compiled twin of `collector.wire._python`.
#[pymodule]
mod ottery_native {

    #[pymodule_export]
    use crate::attributes::python::{
        AttributeMasks, attributes_delete, attributes_digest, attributes_find, attributes_put,
    };

    #[pymodule_export]
    use crate::clickhouse::python::ClickHouseRows;

    #[pymodule_export]
    use crate::http2::python::PyHttp2;

    #[pymodule_export]
    use super::{build_info, decode, encode, json_to_proto, proto_to_json, scan};

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that collector.wire.types.Twin asks for")]
    const name: &str = "native";
}
