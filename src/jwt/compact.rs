//! The compact serialization (RFC 7515 §7.1): exactly three parts.

use super::{TokenError, base64url};

/// The three parts of a compact JWS, still encoded.
#[derive(Clone, Copy, Debug)]
pub struct CompactJws<'t> {
    /// The encoded JOSE header.
    pub header: &'t [u8],
    /// The encoded payload.
    pub payload: &'t [u8],
    /// The encoded signature.
    pub signature: &'t [u8],
    /// What is signed: header, dot, payload (RFC 7515 §5.1).
    pub signing_input: &'t [u8],
}

impl<'t> CompactJws<'t> {
    /// Splits a token.
    ///
    /// # Errors
    /// `Malformed` unless there are exactly three parts, header and payload not empty.
    pub fn parse(token: &'t [u8]) -> Result<Self, TokenError> {
        let mut dots = memchr::memchr_iter(b'.', token);
        // A fourth part is enough to know: thousands of dots are not counted. Five parts would be a JWE.
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(TokenError::Malformed("not three parts"));
        };
        let jws = Self {
            header: &token[..first],
            payload: &token[first + 1..second],
            signature: &token[second + 1..],
            signing_input: &token[..second],
        };
        if jws.header.is_empty() || jws.payload.is_empty() {
            return Err(TokenError::Malformed("an empty part"));
        }
        Ok(jws)
    }

    /// The payload's bytes: of unknown origin until the signature is checked.
    ///
    /// # Errors
    /// `Malformed` if it is not strict base64url.
    pub fn payload_bytes(&self) -> Result<Vec<u8>, TokenError> {
        decode_payload(self.payload)
    }
}

/// Decodes an encoded payload.
pub(super) fn decode_payload(encoded: &[u8]) -> Result<Vec<u8>, TokenError> {
    base64url::decode(encoded).ok_or(TokenError::Malformed("payload is not base64url"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_parts_and_nothing_else() {
        let jws = CompactJws::parse(b"aa.bbb.c").unwrap();
        assert_eq!(
            (jws.header, jws.payload, jws.signature, jws.signing_input),
            (&b"aa"[..], &b"bbb"[..], &b"c"[..], &b"aa.bbb"[..])
        );
        assert_eq!(CompactJws::parse(b"a.b.").unwrap().signature, b"");
        for token in [
            &b""[..],
            b"a",
            b"a.b",
            b".",
            b"..",
            b"...",
            b".b.c",
            b"a..c",
            b"a.b.c.",
            b".a.b.c",
            b"a.b.c.d",
            b"a.b.c.d.e",
        ] {
            assert!(
                matches!(CompactJws::parse(token), Err(TokenError::Malformed(_))),
                "{token:?}"
            );
        }
    }

    #[test]
    fn the_payload_is_strict_base64url() {
        let payload = |token| CompactJws::parse(token).unwrap().payload_bytes();
        assert_eq!(payload(b"a.Zm9v.c"), Ok(b"foo".to_vec()));
        assert!(payload(b"a.Zm9=.c").is_err());
    }
}
