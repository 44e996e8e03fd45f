//! Where strings and numbers end.

use serde_json::Number;

use super::document::Node;

/// How many bytes of a string, from its first, are no quote, escape or control character.
pub(super) fn plain_bytes(bytes: &[u8]) -> usize {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST: u64 = EACH << 7;
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk() {
        let chunk = u64::from_le_bytes(*chunk);
        // A subtraction borrows from the next byte only behind one that is found: the lowest mark is always right.
        let below = |limit: u64, of: u64| of.wrapping_sub(EACH * limit) & !of;
        let equal = |byte: u8| below(1, chunk ^ (EACH * u64::from(byte)));
        let marks = (below(0x20, chunk) | equal(b'"') | equal(b'\\')) & HIGHEST;
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    at + rest.iter().position(special).unwrap_or(rest.len())
}

/// The number that `text` begins with, and its length.
pub(super) fn number(text: &[u8]) -> Option<(Node, usize)> {
    if let Some((number, length)) = whole_number(text) {
        return Some((Node::Unsigned(number), length));
    }
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let length = text
        .iter()
        .position(|byte| !is_part(byte))
        .unwrap_or(text.len());
    other_number(&text[..length]).map(|number| (number, length))
}

/// A number of a few digits and nothing else, as dates are, and its length.
fn whole_number(text: &[u8]) -> Option<(u64, usize)> {
    /// So many digits fit.
    const DIGITS: usize = 19;
    let (mut number, mut length) = (0_u64, 0);
    for byte in &text[..text.len().min(DIGITS)] {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number * 10 + u64::from(digit);
        length += 1;
    }
    let goes_on = matches!(
        text.get(length),
        Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
    );
    let is_whole = length > 0 && !goes_on && (text[0] != b'0' || length == 1);
    is_whole.then_some((number, length))
}

/// Any other number.
fn other_number(text: &[u8]) -> Option<Node> {
    let number: Number = serde_json::from_slice(text).ok()?;
    if let Some(number) = number.as_u64() {
        Some(Node::Unsigned(number))
    } else if let Some(number) = number.as_i64() {
        Some(Node::Signed(number))
    } else {
        number.as_f64().map(Node::Float)
    }
}
