//! Parts of values that patterns match, replaced.

use std::borrow::Cow;
use std::collections::HashSet;

use arrow_array::{ListArray, StringArray};
use regex::{NoExpand, Regex, RegexSet};

use super::lists::{Builder, Lists, STRING};

/// Patterns, applied one after the other, and the text that replaces what each matches.
pub struct Masks {
    any: RegexSet,
    each: Vec<(Regex, String)>,
}

/// An `AnyValue` with nothing set.
const EMPTY: u8 = 0;
/// No `AnyValue`.
const ABSENT: u8 = 8;

impl Masks {
    /// Compiles patterns.
    ///
    /// # Errors
    /// If one of them is no regular expression, or too large.
    pub fn new(patterns: Vec<(String, String)>) -> Result<Self, regex::Error> {
        let any = RegexSet::new(patterns.iter().map(|(pattern, _)| pattern))?;
        let compiled = patterns.into_iter().map(|(pattern, mask)| Ok((Regex::new(&pattern)?, mask)));
        Ok(Self { any, each: compiled.collect::<Result<_, _>>()? })
    }

    /// The masked text, where it differs. One pass over the text tells which patterns match at all.
    fn masked<'t>(&self, text: &'t str) -> Option<Cow<'t, str>> {
        let first = self.any.matches(text).iter().next()?;
        let mut masked = Cow::Borrowed(text);
        for (pattern, mask) in &self.each[first..] {
            if let Cow::Owned(changed) = pattern.replace_all(&masked, NoExpand(mask)) {
                masked = Cow::Owned(changed);
            }
        }
        (masked != text).then_some(masked)
    }

    /// The lists with values masked, those of `keys` or of all, and how many were changed. None where none was.
    ///
    /// A value whose text is changed becomes a string.
    #[must_use]
    pub fn lists(&self, lists: &Lists<'_>, keys: Option<&HashSet<&str>>) -> Option<(ListArray, usize)> {
        let masked = |index: usize| {
            let looked_at = !matches!(lists.kinds.value(index), EMPTY | ABSENT)
                && keys.is_none_or(|keys| keys.contains(lists.keys.value(index)));
            looked_at.then(|| self.masked(lists.values.value(index))).flatten()
        };
        let found: Vec<_> = lists.all().map(masked).collect();
        let changed = found.iter().flatten().count();
        if changed == 0 {
            return None;
        }
        let mut built = Builder::like(lists);
        for (index, masked) in lists.all().zip(&found) {
            match masked {
                Some(text) => built.push_value(STRING, text),
                None => built.copy_value(lists, index),
            }
        }
        Some((built.finish_values(lists), changed))
    }

    /// The texts, masked, and how many were changed. None where none was.
    #[must_use]
    pub fn texts(&self, texts: &StringArray) -> Option<(StringArray, usize)> {
        let found: Vec<_> = texts.iter().map(|text| text.and_then(|text| self.masked(text))).collect();
        let changed = found.iter().flatten().count();
        let masked = texts.iter().zip(&found).map(|(text, masked)| masked.as_deref().or(text));
        (changed > 0).then(|| (masked.collect(), changed))
    }
}
