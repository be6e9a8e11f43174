//! The seam to Python: pyarrow arrays in and out, everything else without the GIL.

use std::collections::HashSet;

use arrow_array::{Array as _, ArrayRef, ListArray, StringArray, make_array};
use arrow_data::ArrayData;
use arrow_pyarrow::{FromPyArrow as _, ToPyArrow as _};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use regex::Regex;

use super::digest::{self, Algorithm};
use super::edit::{self, Put};
use super::lists::Lists;
use super::masks::Masks;

fn array(value: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    Ok(make_array(ArrayData::from_pyarrow_bound(value)?))
}

fn lists(array: &ArrayRef) -> PyResult<Lists<'_>> {
    let found = array.as_any().downcast_ref::<ListArray>().filter(|lists| lists.null_count() == 0);
    found.and_then(Lists::of).ok_or_else(|| PyValueError::new_err("a column of attribute lists was expected"))
}

fn texts(array: &ArrayRef) -> PyResult<&StringArray> {
    let found = array.as_any().downcast_ref::<StringArray>();
    found.ok_or_else(|| PyValueError::new_err("a column of strings was expected"))
}

fn wrapped<'py>(py: Python<'py>, array: &impl arrow_array::Array) -> PyResult<Bound<'py, PyAny>> {
    array.to_data().to_pyarrow(py)
}

fn given_or<'py>(given: &Bound<'py, PyAny>, made: Option<ListArray>) -> PyResult<Bound<'py, PyAny>> {
    made.map_or_else(|| Ok(given.clone()), |made| wrapped(given.py(), &made))
}

fn pattern(text: &str) -> PyResult<Regex> {
    Regex::new(text).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The text of `key` in each list.
#[pyfunction]
pub fn attributes_find<'py>(column: &Bound<'py, PyAny>, key: &str) -> PyResult<Bound<'py, PyAny>> {
    let array = array(column)?;
    let lists = lists(&array)?;
    wrapped(column.py(), &column.py().detach(|| edit::find(&lists, key)))
}

/// The lists with `key` set.
#[pyfunction]
#[pyo3(signature = (column, key, kind, values, *, insert, update))]
pub fn attributes_put<'py>(
    column: &Bound<'py, PyAny>,
    key: &str,
    kind: u8,
    values: &Bound<'py, PyAny>,
    insert: bool,
    update: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let (array, values) = (array(column)?, self::array(values)?);
    let (lists, values) = (lists(&array)?, texts(&values)?);
    if values.len() != lists.len() {
        return Err(PyValueError::new_err(format!("{} values for {} lists", values.len(), lists.len())));
    }
    let made = column.py().detach(|| edit::put(&lists, key, kind, values, Put { insert, update }));
    wrapped(column.py(), &made)
}

/// The lists without `keys`, and without what `matched` matches.
#[pyfunction]
pub fn attributes_delete<'py>(
    column: &Bound<'py, PyAny>,
    keys: Vec<String>,
    matched: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let array = array(column)?;
    let lists = lists(&array)?;
    let matched = matched.map(pattern).transpose()?;
    let keys: HashSet<&str> = keys.iter().map(String::as_str).collect();
    given_or(column, column.py().detach(|| edit::delete(&lists, &keys, matched.as_ref())))
}

/// The lists with the values of `keys` hashed.
#[pyfunction]
pub fn attributes_digest<'py>(
    column: &Bound<'py, PyAny>,
    keys: Vec<String>,
    algorithm: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let array = array(column)?;
    let lists = lists(&array)?;
    let algorithm = Algorithm::named(algorithm)
        .ok_or_else(|| PyValueError::new_err(format!("sha256 or xxh64 was expected, not {algorithm:?}")))?;
    let keys: HashSet<&str> = keys.iter().map(String::as_str).collect();
    given_or(column, column.py().detach(|| digest::digest(&lists, &keys, algorithm)))
}

/// Compiled patterns.
#[pyclass(frozen)]
pub struct AttributeMasks(Masks);

#[pymethods]
impl AttributeMasks {
    #[new]
    fn new(patterns: Vec<(String, String)>) -> PyResult<Self> {
        Masks::new(patterns).map(Self).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// The lists with values masked, and how many were changed.
    fn lists<'py>(
        &self,
        column: &Bound<'py, PyAny>,
        keys: Option<Vec<String>>,
    ) -> PyResult<(Bound<'py, PyAny>, usize)> {
        let array = array(column)?;
        let lists = lists(&array)?;
        let keys: Option<HashSet<&str>> = keys.as_ref().map(|keys| keys.iter().map(String::as_str).collect());
        match column.py().detach(|| self.0.lists(&lists, keys.as_ref())) {
            Some((made, changed)) => Ok((wrapped(column.py(), &made)?, changed)),
            None => Ok((column.clone(), 0)),
        }
    }

    /// The texts, masked, and how many were changed.
    fn texts<'py>(&self, column: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, usize)> {
        let array = array(column)?;
        let texts = texts(&array)?;
        match column.py().detach(|| self.0.texts(texts)) {
            Some((made, changed)) => Ok((wrapped(column.py(), &made)?, changed)),
            None => Ok((column.clone(), 0)),
        }
    }
}
