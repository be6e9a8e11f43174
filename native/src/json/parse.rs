//! JSON text to values in an arena. Strings without escapes stay where they are.

use std::str;

use bumpalo::Bump;

use crate::fault::{Fault, Result};

/// A JSON value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction and exponent, of at most 64 bits.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(&'a str),
    /// An array.
    List(&'a [Json<'a>]),
    /// An object; of members with one name the last one counts.
    Object(&'a [(&'a str, Json<'a>)]),
}

/// How deep arrays and objects may be nested.
const MAX_DEPTH: u32 = 1024;

/// Reads a document. Bytes that are not UTF-8 and lone surrogates become U+FFFD.
pub fn parse<'a>(document: &'a [u8], arena: &'a Bump) -> Result<Json<'a>> {
    let text = str::from_utf8(document).unwrap_or_else(|_| arena.alloc_str(&String::from_utf8_lossy(document)));
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0, arena };
    parser.blanks();
    let value = parser.value(MAX_DEPTH)?;
    parser.blanks();
    if parser.at < parser.bytes.len() {
        return Err(parser.fault("more after the end of the document"));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    arena: &'a Bump,
}

impl<'a> Parser<'a> {
    #[cold]
    fn fault(&self, reason: &str) -> Fault {
        Fault::whole(format!("the body is not JSON: {reason} at byte {}", self.at))
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Goes past `byte` and the blanks around it, where it comes next.
    #[inline]
    fn accept(&mut self, byte: u8) -> bool {
        self.blanks();
        let there = self.peek() == Some(byte);
        if there {
            self.at += 1;
            self.blanks();
        }
        there
    }

    fn value(&mut self, depth: u32) -> Result<Json<'a>> {
        match self.peek() {
            Some(b'"') => self.string().map(Json::Text),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => Err(self.fault("no value begins")),
            None => Err(self.fault("the document ends")),
        }
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.fault("no value begins"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn deeper(&self, depth: u32) -> Result<u32> {
        depth.checked_sub(1).ok_or_else(|| self.fault("arrays and objects nested more than 1024 deep"))
    }

    fn list(&mut self, depth: u32) -> Result<Json<'a>> {
        let depth = self.deeper(depth)?;
        let mut items = Vec::new();
        self.accept(b'[');
        if !self.accept(b']') {
            loop {
                items.push(self.value(depth)?);
                if !self.accept(b',') {
                    break;
                }
            }
            self.close(b']')?;
        }
        Ok(Json::List(self.arena.alloc_slice_copy(&items)))
    }

    fn object(&mut self, depth: u32) -> Result<Json<'a>> {
        let depth = self.deeper(depth)?;
        let mut members = Vec::new();
        self.accept(b'{');
        if !self.accept(b'}') {
            loop {
                members.push(self.member(depth)?);
                if !self.accept(b',') {
                    break;
                }
            }
            self.close(b'}')?;
        }
        Ok(Json::Object(self.arena.alloc_slice_copy(&members)))
    }

    fn member(&mut self, depth: u32) -> Result<(&'a str, Json<'a>)> {
        if self.peek() != Some(b'"') {
            return Err(self.fault("no name of a member begins"));
        }
        let name = self.string()?;
        if !self.accept(b':') {
            return Err(self.fault("no colon stands"));
        }
        Ok((name, self.value(depth)?))
    }

    /// Goes past the end of an array or object, but not past blanks, which may be the outermost ones.
    fn close(&mut self, byte: u8) -> Result<()> {
        if self.peek() != Some(byte) {
            return Err(self.fault("neither a comma nor the end of an array or object stands"));
        }
        self.at += 1;
        Ok(())
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.fault("no digit stands")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Json<'a>> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let zero = self.peek() == Some(b'0');
        let first = self.at;
        self.digits()?;
        if zero && self.at > first + 1 {
            return Err(self.fault("a number begins with 0"));
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        if let Some(value) = whole.then(|| sixty_four_bits(text)).flatten() {
            return Ok(Json::Int(value));
        }
        match text.parse() {
            Ok(value) if f64::is_finite(value) => Ok(Json::Float(value)),
            _ => Err(self.fault("a number that no double can hold ends")),
        }
    }

    fn string(&mut self) -> Result<&'a str> {
        self.at += 1;
        let start = self.at;
        self.plain();
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(&self.text[start..self.at - 1]);
        }
        let mut out = self.text[start..self.at].to_owned();
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => return Err(self.fault("a control character stands in a string")),
                None => return Err(self.fault("the document ends in a string")),
            }
            let start = self.at;
            self.plain();
            out.push_str(&self.text[start..self.at]);
        }
        self.at += 1;
        Ok(self.arena.alloc_str(&out))
    }

    /// Goes to the next byte of a string that does not stand for itself.
    #[inline]
    fn plain(&mut self) {
        let rest = &self.bytes[self.at..];
        let words =
            rest.chunks_exact(8).take_while(|word| !special(u64::from_le_bytes(word[..].try_into().unwrap_or([0; 8]))));
        self.at += words.count() * 8;
        while self.peek().is_some_and(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Result<char> {
        let Some(byte) = self.peek() else { return Err(self.fault("the document ends in a string")) };
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\x08',
            b'f' => '\x0c',
            b'u' => return self.unicode(),
            _ => return Err(self.fault("no escape sequence ends")),
        })
    }

    /// The character of `\u` and four hexadecimal digits, or of two of them; U+FFFD for one half of a pair.
    fn unicode(&mut self) -> Result<char> {
        let first = self.hex()?;
        if let Some(char) = char::from_u32(first) {
            return Ok(char);
        }
        let before = self.at;
        if first < 0xdc00 && self.bytes[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                let both = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Result<u32> {
        let digits = self.bytes.get(self.at..self.at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let value = digits.and_then(|digits| str::from_utf8(digits).ok()).map(|digits| u32::from_str_radix(digits, 16));
        let Some(Ok(value)) = value else { return Err(self.fault("no four hexadecimal digits stand")) };
        self.at += 4;
        Ok(value)
    }
}

/// The value of an integer that fits 64 bits, with or without a sign.
fn sixty_four_bits(text: &str) -> Option<i128> {
    text.parse::<i64>().map(i128::from).or_else(|_| text.parse::<u64>().map(i128::from)).ok()
}

/// Whether one of eight bytes is a quote, a backslash or a control character.
#[inline]
const fn special(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES * 0x80;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let below = word.wrapping_sub(ONES * 0x20) & !word;
    let zero = (quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash);
    (below | zero) & HIGH != 0
}
