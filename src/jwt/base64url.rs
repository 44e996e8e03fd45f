//! Strict base64url without padding (RFC 7515 §2): one spelling for each byte string.
//!
//! `URL_SAFE_NO_PAD` refuses padding and unused bits that are set; the tests hold it to that. A lenient reader would give one
//! token many spellings, and so many places to hide from a cache or a revocation list.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The encoded form.
pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes, or `None` if `text` is not their one spelling.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// As [`decode`], into the front of `buffer`, which must be long enough.
pub(super) fn decode_into<'b>(text: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let length = URL_SAFE_NO_PAD.decode_slice(text, buffer).ok()?;
    buffer.get(..length)
}

/// Characters that encode `bytes` bytes.
pub(super) const fn encoded_len(bytes: usize) -> usize {
    (bytes * 8).div_ceil(6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_string_has_one_spelling() {
        let mut buffer = [0; 8];
        for (text, bytes) in [
            (&b""[..], Some(&b""[..])),
            (b"Zg", Some(b"f")),
            (b"Zm8", Some(b"fo")),
            (b"Zm9v", Some(b"foo")),
            (b"-_8", Some(&[0xfb, 0xff])),
            (b"Zg==", None),
            (b"Zm8=", None),
            (b"Zh", None),
            (b"Zm9", None),
            (b"Z", None),
            (b"Zm9vZ", None),
            (b"+/8", None),
            (b"Zm9v\n", None),
            (b" Zm9v", None),
            (b"Zm?9v", None),
            (b"Zm\x009v", None),
            (b"Zm\xc3\xa9", None),
        ] {
            assert_eq!(decode(text).as_deref(), bytes, "{text:?}");
            assert_eq!(decode_into(text, &mut buffer), bytes, "{text:?}");
            if let Some(bytes) = bytes {
                assert_eq!(encode(bytes).as_bytes(), text);
                assert_eq!(encoded_len(bytes.len()), text.len());
            }
        }
    }
}
