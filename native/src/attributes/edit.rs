//! Looking attributes up, setting and deleting them.

use std::collections::HashSet;

use arrow_array::{Array as _, ListArray, StringArray};
use regex::Regex;

use super::lists::{Builder, Lists};

/// The text of the attribute `key` in each list, null where there is none. Of equal keys the last one counts.
#[must_use]
pub fn find(lists: &Lists<'_>, key: &str) -> StringArray {
    let places = (0..lists.len()).map(|row| place(lists, row, key));
    places.map(|place| place.map(|index| lists.values.value(index))).collect()
}

fn place(lists: &Lists<'_>, row: usize, key: &str) -> Option<usize> {
    lists.list(row).rev().find(|index| lists.keys.value(*index) == key)
}

/// What `put` does where the key is there, and where it is not.
#[derive(Clone, Copy)]
pub struct Put {
    /// Append the attribute where there is none.
    pub insert: bool,
    /// Replace the value of one that is there.
    pub update: bool,
}

/// The lists with the attribute `key` set to `kind` and the text of each row in `values`; null leaves a list as it is.
#[must_use]
pub fn put(lists: &Lists<'_>, key: &str, kind: u8, values: &StringArray, how: Put) -> ListArray {
    let mut built = Builder::like(lists);
    for row in 0..lists.len() {
        let value = values.is_valid(row).then(|| values.value(row));
        let found = value.and_then(|_| place(lists, row, key));
        for index in lists.list(row) {
            match value {
                Some(value) if how.update && found == Some(index) => built.push(key, kind, value),
                _ => built.copy(lists, index),
            }
        }
        if let (Some(value), None, true) = (value, found, how.insert) {
            built.push(key, kind, value);
        }
        built.end();
    }
    built.finish()
}

/// The lists without the attributes whose key is one of `keys` or matched by `pattern`. None where there are none.
#[must_use]
pub fn delete(lists: &Lists<'_>, keys: &HashSet<&str>, pattern: Option<&Regex>) -> Option<ListArray> {
    let doomed = |index: usize| {
        let key = lists.keys.value(index);
        keys.contains(key) || pattern.is_some_and(|pattern| pattern.is_match(key))
    };
    let doomed: Vec<bool> = lists.all().map(doomed).collect();
    if !doomed.contains(&true) {
        return None;
    }
    let start = lists.all().start;
    let mut built = Builder::like(lists);
    for row in 0..lists.len() {
        lists.list(row).filter(|index| !doomed[index - start]).for_each(|index| built.copy(lists, index));
        built.end();
    }
    Some(built.finish())
}
