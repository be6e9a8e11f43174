//! The text of a value, as ClickHouse stores it; see `collector/storage/arrow.py`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::value::{Any, Attribute};

/// Appends the text of `value`.
pub fn text(out: &mut String, value: &Any<'_>) {
    match value {
        Any::Empty => {}
        Any::Text(text) => out.push_str(text),
        Any::Bool(value) => out.push_str(boolean(*value)),
        Any::Int(value) => integer(out, *value),
        Any::Double(value) => double(out, *value),
        Any::Bytes(bytes) => STANDARD.encode_string(bytes, out),
        Any::Array(items) => array(out, items),
        Any::Map(items) => map(out, items),
    }
}

const fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// Appends a decimal integer.
pub fn integer(out: &mut String, value: i64) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// Appends the shortest form that reads back as the same double, as ECMAScript and Go write it.
pub fn double(out: &mut String, value: f64) {
    if value == 0.0 && value.is_sign_negative() {
        out.push('-');
    }
    out.push_str(ryu_js::Buffer::new().format(value));
}

fn array(out: &mut String, items: &[Any<'_>]) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        json(out, item);
    }
    out.push(']');
}

/// Of a key that comes again, the last value is shown.
fn map(out: &mut String, items: &[Attribute<'_>]) {
    let sorted: BTreeMap<_, _> = items.iter().map(|item| (item.key, item.value.as_ref())).collect();
    out.push('{');
    for (index, (key, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        quoted(out, key);
        out.push(':');
        json(out, value.unwrap_or(&Any::Empty));
    }
    out.push('}');
}

fn json(out: &mut String, value: &Any<'_>) {
    match value {
        Any::Empty => out.push_str("null"),
        Any::Text(text) => quoted(out, text),
        Any::Double(value) if !value.is_finite() => {
            out.push('"');
            double(out, *value);
            out.push('"');
        }
        Any::Bytes(bytes) => {
            out.push('"');
            STANDARD.encode_string(bytes, out);
            out.push('"');
        }
        Any::Bool(_) | Any::Int(_) | Any::Double(_) | Any::Array(_) | Any::Map(_) => text(out, value),
    }
}

/// Appends `text` as a JSON string.
pub fn quoted(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (index, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain..index]);
        plain = index + 1;
        escape(out, byte);
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

fn escape(out: &mut String, byte: u8) {
    match byte {
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        b'\n' => out.push_str("\\n"),
        b'\r' => out.push_str("\\r"),
        b'\t' => out.push_str("\\t"),
        8 => out.push_str("\\b"),
        12 => out.push_str("\\f"),
        _ => {
            let _ = write!(out, "\\u{byte:04x}");
        }
    }
}
