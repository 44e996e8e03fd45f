//! Strict base64url without padding (RFC 7515 §2): one spelling for each byte string.
