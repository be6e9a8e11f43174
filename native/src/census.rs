//! How many fields a large request has: two bytes can become a span, so they are counted before memory is taken.

use crate::descriptor::{Kind, Message};
use crate::fault::{Fault, Result};
use crate::wire::{END_GROUP, LEN, Reader, START_GROUP};

/// As in `collector/wire/_python_parse.py`.
const MAX_FIELDS: usize = 8_000_000;

/// Refuses a request of more fields than are read.
pub fn check(message: &'static Message, request: &[u8]) -> Result<()> {
    if request.len() <= MAX_FIELDS {
        return Ok(()); // every field has a byte
    }
    let mut left = MAX_FIELDS;
    count(message, Reader::new(request), &mut left)
}

fn count(message: &'static Message, mut reader: Reader<'_>, left: &mut usize) -> Result<()> {
    let mut groups = 0_usize;
    while let Some(tag) = reader.tag()? {
        let Some(fewer) = left.checked_sub(1) else {
            return Err(Fault::size(format!("the request has more than {MAX_FIELDS} fields")));
        };
        *left = fewer;
        match tag & 7 {
            START_GROUP => groups += 1,
            END_GROUP => groups = groups.saturating_sub(1),
            LEN if groups == 0 => match nested(message, tag >> 3) {
                Some(inner) => count(inner, reader.message()?, left)?,
                None => drop(reader.bytes()?),
            },
            _ => reader.skip(tag)?,
        }
    }
    Ok(())
}

fn nested(message: &Message, number: u32) -> Option<&'static Message> {
    message.0.iter().find(|field| field.number == number).and_then(|field| match field.kind {
        Kind::Nested(inner) => Some(inner),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::{MAX_FIELDS, check};
    use crate::decode::Signal;
    use crate::descriptor::Message;

    #[test]
    fn one_field_too_many_is_refused_wherever_it_stands() {
        let message = Message::request(Signal::Logs);
        let scope_logs = [0x12, 0].repeat(MAX_FIELDS - 1);
        let mut request = vec![0x0a];
        let mut length = scope_logs.len();
        while length >= 0x80 {
            request.push(length as u8 | 0x80);
            length >>= 7;
        }
        request.push(length as u8);
        request.extend(scope_logs);
        assert!(check(message, &request).is_ok());
        request.extend([0x7a, 0]);
        assert!(check(message, &request).is_err_and(|fault| fault.is_size()));
    }

    #[test]
    fn fields_of_groups_count() {
        let request = [0x7b, 0x7c].repeat(MAX_FIELDS / 2);
        assert!(check(Message::request(Signal::Traces), &request).is_ok());
        assert!(check(Message::request(Signal::Traces), &[&request[..], &[0x7a, 0]].concat()).is_err());
    }
}
