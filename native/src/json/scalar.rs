//! JSON numbers, strings and booleans as the values of protobuf fields.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::parse::Json;
use crate::fault::{Fault, Result};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// The refusal of a value of the wrong type; it names types, never the value.
#[cold]
pub fn unexpected(expected: &str, value: &Json<'_>) -> Fault {
    let got = match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Int(_) | Json::Float(_) => "a number",
        Json::Text(_) => "a string",
        Json::List(_) => "an array",
        Json::Object(_) => "an object",
    };
    Fault::whole(format!("{expected} was expected, not {got}"))
}

/// A string.
pub fn text<'a>(value: &Json<'a>) -> Result<&'a str> {
    match value {
        Json::Text(text) => Ok(text),
        _ => Err(unexpected("a string", value)),
    }
}

/// A boolean.
pub fn boolean(value: &Json<'_>) -> Result<bool> {
    match value {
        Json::Bool(value) => Ok(*value),
        _ => Err(unexpected("true or false", value)),
    }
}

#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Float(f64),
}

impl Number {
    /// The number in a string. Digits beyond 127 bits are too many for every field but a double.
    fn parsed(text: &str) -> Result<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if is_digits(digits)
            && let Ok(whole) = text.parse::<i64>()
        {
            return Ok(Self::Whole(whole.into()));
        }
        if !is_number(digits) {
            return Err(Fault::whole("a number was expected, not another text"));
        }
        let Some(float) = text.parse().ok().filter(|float: &f64| float.is_finite()) else {
            return Err(Fault::whole("a number was expected that a double can hold"));
        };
        let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
        Ok(whole.then(|| text.parse().ok()).flatten().map_or(Self::Float(float), Self::Whole))
    }

    fn of(value: &Json<'_>, expected: &str) -> Result<Self> {
        match value {
            Json::Int(value) => Ok(Self::Whole(*value)),
            Json::Float(value) => Ok(Self::Float(*value)),
            Json::Text(text) => Self::parsed(text),
            _ => Err(unexpected(expected, value)),
        }
    }
}

/// Digits with or without a fraction and an exponent.
fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    [Some(whole), fraction, exponent].into_iter().flatten().all(is_digits)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A double.
pub fn double(value: &Json<'_>) -> Result<f64> {
    match value {
        Json::Text("NaN") => return Ok(f64::NAN),
        Json::Text("Infinity") => return Ok(f64::INFINITY),
        Json::Text("-Infinity") => return Ok(f64::NEG_INFINITY),
        _ => {}
    }
    Ok(match Number::of(value, "a number")? {
        Number::Whole(whole) => whole as f64,
        Number::Float(float) => float,
    })
}

/// A whole number from `low` to `high`.
pub fn integer(value: &Json<'_>, low: i128, high: i128) -> Result<i128> {
    let whole = match Number::of(value, "a whole number")? {
        Number::Whole(whole) => Some(whole),
        Number::Float(float) if float.fract() == 0.0 => Some(float as i128),
        Number::Float(_) => None,
    };
    let whole = whole.filter(|whole| (low..=high).contains(whole));
    whole.ok_or_else(|| Fault::whole(format!("a whole number from {low} to {high} was expected")))
}

/// The number of an enum, or of one of its names.
pub fn enumerated(value: &Json<'_>, names: &[&str]) -> Result<i32> {
    if let Json::Text(text) = value
        && let Some(number) = names.iter().position(|name| name == text)
    {
        return Ok(number as i32);
    }
    integer(value, i128::from(i32::MIN), i128::from(i32::MAX)).map(|number| number as i32)
}

/// The bytes of a hexadecimal id; one byte, which is no id, where it is not hexadecimal.
pub fn id(value: &Json<'_>, out: &mut Vec<u8>) -> Result<()> {
    let digits = text(value)?.as_bytes();
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        out.push(0);
        return Ok(());
    }
    out.extend(pairs.iter().map(|[high, low]| nibble(*high) << 4 | nibble(*low)));
    Ok(())
}

const fn nibble(digit: u8) -> u8 {
    if digit.is_ascii_digit() { digit - b'0' } else { (digit | 0x20) - b'a' + 10 }
}

/// The bytes of base64 in the standard or the URL alphabet, or both, with padding or without.
pub fn bytes(value: &Json<'_>) -> Result<Vec<u8>> {
    let padded = text(value)?;
    let one_less = padded.strip_suffix('=').unwrap_or(padded);
    let digits = one_less.strip_suffix('=').unwrap_or(one_less);
    let standard: Vec<u8> = digits.bytes().map(standard_digit).collect();
    LENIENT.decode(standard).map_err(|_| Fault::whole("base64 was expected"))
}

const fn standard_digit(digit: u8) -> u8 {
    match digit {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    }
}
