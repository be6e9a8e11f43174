//! Why a request was refused, and where.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Result of reading what a stranger sent.
pub type Result<T> = std::result::Result<T, Fault>;

/// A refusal of the whole request. Boxed, so that the results of the hot path stay small.
#[derive(Debug)]
pub struct Fault(Box<Inner>);

#[derive(Debug)]
struct Inner {
    reason: Cow<'static, str>,
    /// Address of the offending byte; compared with the address of the request to get the offset.
    at: Option<usize>,
    path: String,
    size: bool,
}

impl Fault {
    /// A fault at the first byte of `rest`.
    #[cold]
    pub fn at(rest: &[u8], reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(reason, Some(rest.as_ptr() as usize))
    }

    /// A fault that has no place in the bytes.
    #[cold]
    pub fn whole(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(reason, None)
    }

    /// A fault of requests that are too large.
    #[cold]
    pub fn size(reason: impl Into<Cow<'static, str>>) -> Self {
        let mut fault = Self::new(reason, None);
        fault.0.size = true;
        fault
    }

    fn new(reason: impl Into<Cow<'static, str>>, at: Option<usize>) -> Self {
        let path = String::new();
        Self(Box::new(Inner { reason: reason.into(), at, path, size: false }))
    }

    /// The same fault, seen from the message that holds the field `name`.
    #[cold]
    #[must_use]
    pub fn within(mut self, name: &str) -> Self {
        let inner = &mut self.0;
        let dot = if inner.path.is_empty() || inner.path.starts_with('[') { "" } else { "." };
        inner.path = format!("{name}{dot}{}", inner.path);
        self
    }

    /// The same fault, seen from the message that holds the `index`-th occurrence of the field `name`.
    #[cold]
    #[must_use]
    pub fn within_item(self, name: &str, index: usize) -> Self {
        self.within(&format!("{name}[{index}]"))
    }

    /// The path of the offending field, such as `resource_spans[0].scope_spans[1].spans[17].name`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.0.path
    }

    /// Whether the request was too large, rather than wrong.
    #[must_use]
    pub fn is_size(&self) -> bool {
        self.0.size
    }

    /// What was wrong, and at which byte, for the sender of `request`.
    #[must_use]
    pub fn reason(&self, request: &[u8]) -> String {
        let inner = &self.0;
        let mut text = inner.reason.clone().into_owned();
        let offset = inner.at.and_then(|at| at.checked_sub(request.as_ptr() as usize));
        if let Some(offset) = offset.filter(|offset| *offset <= request.len()) {
            let _ = write!(text, " at byte {offset}");
        }
        text
    }
}

/// Adds the field that was being read to a fault on its way out.
pub trait Within<T> {
    /// See [`Fault::within`].
    fn within(self, name: &str) -> Result<T>;
    /// See [`Fault::within_item`]; `index` is only asked for when there is a fault.
    fn within_item(self, name: &str, index: usize) -> Result<T>;
}

impl<T> Within<T> for Result<T> {
    #[inline]
    fn within(self, name: &str) -> Self {
        self.map_err(|fault| fault.within(name))
    }

    #[inline]
    fn within_item(self, name: &str, index: usize) -> Self {
        self.map_err(|fault| fault.within_item(name, index))
    }
}
