//! The seam to Python. What is done per call is short, so the GIL is kept: to let it go and take it back costs more.

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use super::connection::{Bounds, Connection, Event};
use super::message::Message;

/// One gRPC connection; `collector.receivers.grpc.engine` says what it does.
#[pyclass(name = "Http2")]
pub struct PyHttp2(Connection);

#[pymethods]
impl PyHttp2 {
    #[new]
    fn new(message_limit: usize, streams: u32) -> Self {
        Self(Connection::new(Bounds { message: message_limit, streams }))
    }

    #[getter]
    fn closed(&self) -> bool {
        self.0.is_closed()
    }

    #[getter]
    fn last_stream(&self) -> u32 {
        self.0.last()
    }

    fn receive<'py>(&mut self, py: Python<'py>, data: PyBackedBytes) -> PyResult<Bound<'py, PyList>> {
        let events = self.0.receive(Bytes::from_owner(data));
        let told = PyList::empty(py);
        for event in events {
            told.append(tell(py, event)?)?;
        }
        Ok(told)
    }

    fn flush<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.flush())
    }

    #[pyo3(signature = (stream, message, *, last))]
    fn reply(&mut self, stream: u32, message: &[u8], last: bool) {
        self.0.reply(stream, message, last);
    }

    fn finish(&mut self, stream: u32, trailers: Vec<(String, String)>) -> PyResult<()> {
        self.0.finish(stream, headers(trailers)?);
        Ok(())
    }

    fn reject(&mut self, stream: u32, status: u16) -> PyResult<()> {
        self.0.reject(stream, StatusCode::from_u16(status).map_err(invalid)?);
        Ok(())
    }

    fn reset(&mut self, stream: u32, reason: u32) {
        self.0.reset(stream, Reason::from(reason));
    }
}

fn headers(pairs: Vec<(String, String)>) -> PyResult<HeaderMap> {
    let mut found = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let name = HeaderName::try_from(name).map_err(invalid)?;
        found.append(name, HeaderValue::try_from(value).map_err(invalid)?);
    }
    Ok(found)
}

fn invalid(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn tell(py: Python<'_>, event: Event) -> PyResult<Bound<'_, PyTuple>> {
    match event {
        Event::Opened(stream, request) => {
            (intern!(py, "opened"), stream, request.uri().path(), pairs(py, &request)?).into_pyobject(py)
        }
        Event::Part(stream, size) => (intern!(py, "part"), stream, size, 0).into_pyobject(py),
        Event::Message(stream, message) => {
            (intern!(py, "message"), stream, pieces(py, &message)?, message.flags).into_pyobject(py)
        }
        Event::TooLarge(stream, size) => (intern!(py, "too_large"), stream, size, 0).into_pyobject(py),
        Event::Ended(stream, torn) => (intern!(py, "ended"), stream, torn, 0).into_pyobject(py),
        Event::Gone(stream) => (intern!(py, "gone"), stream, 0, 0).into_pyobject(py),
        Event::Pings(pings) => (intern!(py, "pings"), 0, pings.asked, pings.answered).into_pyobject(py),
    }
}

/// The pieces are joined where there is time for it: joined here, a large message would hold up the event loop.
fn pieces<'py>(py: Python<'py>, message: &Message) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, message.pieces.iter().map(|piece| PyBytes::new(py, piece)))
}

fn pairs<'py>(py: Python<'py>, request: &Request<()>) -> PyResult<Bound<'py, PyList>> {
    let found = PyList::empty(py);
    found.append((":method", request.method().as_str()))?;
    for (name, value) in request.headers() {
        found.append((name.as_str(), latin1(py, value.as_bytes())))?;
    }
    Ok(found)
}

/// Bytes of a header as text, a character a byte.
fn latin1<'py>(py: Python<'py>, value: &[u8]) -> Bound<'py, PyString> {
    match std::str::from_utf8(value) {
        Ok(text) if text.is_ascii() => PyString::new(py, text),
        _ => PyString::new(py, &value.iter().map(|&byte| char::from(byte)).collect::<String>()),
    }
}
