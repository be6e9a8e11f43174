//! The seam to Python.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::body::{bodies, tables};
use super::compress::{Compression, compress};
use super::table::Layout;
use crate::context::Limits;
use crate::decode::Signal;
use crate::python::refusal;

type Inserted<'py> = (&'static str, u64, usize, Vec<String>, Bound<'py, PyBytes>);

/// Bodies of the inserts that store the items of `requests`: for each the kind of its table, its first day since the
/// epoch, the number of rows, the columns and a compressed block in Native format.
#[pyfunction]
pub fn clickhouse_blocks<'py>(
    py: Python<'py>,
    signal: Signal,
    requests: Vec<Bound<'py, PyBytes>>,
    limits: Limits,
    layouts: HashMap<String, Layout>,
    received_at: u64,
    compression: &str,
) -> PyResult<Vec<Inserted<'py>>> {
    let bytes: Vec<&[u8]> = requests.iter().map(|request| request.as_bytes()).collect();
    let layouts = in_order(signal, layouts)?;
    let compression = Compression::named(compression)
        .ok_or_else(|| PyValueError::new_err(format!("{compression:?} is not a compression that is built in")))?;
    let made = py.detach(|| -> Result<_, Failure> {
        let mut made = bodies(signal, &bytes, limits, &layouts, received_at).map_err(Failure::Refused)?;
        for (_, _, body) in &mut made {
            body.bytes = compress(std::mem::take(&mut body.bytes), compression).map_err(Failure::Compression)?;
        }
        Ok(made)
    });
    let made = made.map_err(|failure| match failure {
        Failure::Refused(refused) => refusal(py, &bytes, &refused),
        Failure::Compression(error) => error.into(),
    })?;
    let names = tables(signal);
    let told = |(table, day, body): (usize, u64, super::table::Body)| {
        (names[table], day, body.rows, body.columns, PyBytes::new(py, &body.bytes))
    };
    Ok(made.into_iter().map(told).collect())
}

enum Failure {
    Refused(crate::decode::Refused),
    Compression(std::io::Error),
}

fn in_order(signal: Signal, mut layouts: HashMap<String, Layout>) -> PyResult<Vec<Layout>> {
    let missing = |name: &&str| PyValueError::new_err(format!("the layout of table {name:?} is missing"));
    tables(signal).iter().map(|name| layouts.remove(*name).ok_or_else(|| missing(name))).collect()
}
