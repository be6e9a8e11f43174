//! The seam to Python: arguments in, `Scan` and `Rejected` out, everything else without the GIL.

use arrow_array::RecordBatch;
use arrow_array::ffi::{FFI_ArrowArray, from_ffi_and_data_type};
use arrow_array::{Array as _, StructArray};
use arrow_pyarrow::{FromPyArrowUnchecked as _, ToPyArrow as _};
use arrow_schema::DataType;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyType};

use crate::context::{Counts, Limits};
use crate::decode::{self as reading, Refused, Signal};
use crate::encode as writing;
use crate::face::Unfit;
use crate::fault::Fault;
use crate::json;
use crate::schema;

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

fn refusal(py: Python<'_>, requests: &[&[u8]], (index, fault): &Refused) -> PyErr {
    rejected(py, fault, requests.get(*index).copied().unwrap_or_default())
}

/// `source` is empty where the fault is in columns.
pub(crate) fn unfit(py: Python<'_>, error: &Unfit, source: &[u8]) -> PyErr {
    match error {
        Unfit::Invalid(reason) => PyValueError::new_err(reason.clone()),
        Unfit::Refused(fault) => rejected(py, fault, source),
    }
}

/// The columns of a `pyarrow.RecordBatch`. As `to_pyarrow`, without reading the schema where it is that of the signal.
pub(crate) fn record_batch(signal: Signal, columns: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
    static RECORD_BATCH: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = columns.py();
    let plain = columns.get_type().is(RECORD_BATCH.import(py, "pyarrow", "RecordBatch")?);
    let known = plain && columns.getattr("schema")?.call_method1("equals", (schema_of(py, signal)?,))?.is_truthy()?;
    let batch = if known {
        let mut array = FFI_ArrowArray::empty();
        columns.call_method1("_export_to_c", (&raw mut array as usize,))?;
        let kind = DataType::Struct(schema::of(signal).fields().clone());
        // SAFETY: As below; pyarrow has just said that these are the types.
        let imported = unsafe { from_ffi_and_data_type(array, kind) };
        let columns = imported.map(|data| StructArray::from(data).into_parts().1);
        columns.and_then(|columns| RecordBatch::try_new(schema::of(signal).clone(), columns)).map_err(|e| e.to_string())
    } else {
        // SAFETY: The buffers of a pyarrow object are there as its schema and its lengths say; more cannot be known of
        // any C array. `face` takes the contents for what they are: it reads offsets, keys and text only after
        // checking them.
        unsafe { RecordBatch::from_pyarrow_bound_unchecked(columns) }.map_err(|e| e.to_string())
    };
    batch.map_err(|error| PyValueError::new_err(format!("the columns are no record batch: {error}")))
}

fn scanned<'py>(py: Python<'py>, counts: Counts) -> PyResult<Bound<'py, PyAny>> {
    static SCAN: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let Counts { items, rejected, message, replaced, duplicates } = counts;
    SCAN.import(py, "collector.wire.types", "Scan")?.call1((items, rejected, message, replaced, duplicates))
}

/// The schema of a signal as a `pyarrow.Schema`.
fn schema_of(py: Python<'_>, signal: Signal) -> PyResult<&Bound<'_, PyAny>> {
    static SCHEMAS: [PyOnceLock<Py<PyAny>>; 3] = [const { PyOnceLock::new() }; 3];
    let schema = SCHEMAS[signal as usize]
        .get_or_try_init(py, || Ok::<_, PyErr>(schema::of(signal).as_ref().to_pyarrow(py)?.unbind()))?;
    Ok(schema.bind(py))
}

/// Hands the columns over by the C data interface. Their schema is the same every time and is handed over once.
fn to_pyarrow(py: Python<'_>, signal: Signal, batch: RecordBatch) -> PyResult<Bound<'_, PyAny>> {
    static IMPORT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let import = IMPORT.get_or_try_init(py, || {
        Ok::<_, PyErr>(py.import("pyarrow")?.getattr("RecordBatch")?.getattr("_import_from_c")?.unbind())
    })?;
    let array = FFI_ArrowArray::new(&StructArray::from(batch).into_data());
    import.bind(py).call1((&raw const array as usize, schema_of(py, signal)?))
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
    let batch = record_batch(signal, columns)?;
    let request = py.detach(|| writing::encode(signal, &batch));
    Ok(PyBytes::new(py, &request.map_err(|error| unfit(py, &error, &[]))?))
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
