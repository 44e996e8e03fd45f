//! `Content-Length` (RFC 9110 §8.6).

use http::HeaderMap;
use http::header::CONTENT_LENGTH;

/// `Content-Length` lines that are not one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Content-Length is not one number")]
pub struct ContentLengthError;

/// The number that all elements of all `Content-Length` lines are; `None` without a line.
///
/// # Errors
/// Anything but digits, more than 64 bits, or two different numbers.
pub fn content_length(headers: &HeaderMap) -> Result<Option<u64>, ContentLengthError> {
    let mut found = None;
    for line in headers.get_all(CONTENT_LENGTH) {
        add_content_length(&mut found, line.as_bytes())?;
    }
    Ok(found)
}

/// Reads one more `Content-Length` line, after those that said `found`.
///
/// # Errors
/// As for all lines at once.
pub fn add_content_length(found: &mut Option<u64>, line: &[u8]) -> Result<(), ContentLengthError> {
    for element in line.split(|byte| *byte == b',') {
        let digits = std::str::from_utf8(element.trim_ascii()).map_err(|_| ContentLengthError)?;
        // `parse` alone would take a sign.
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let length = digits.parse::<u64>().ok().filter(|_| plain);
        let length = length.ok_or(ContentLengthError)?;
        if found.replace(length).is_some_and(|other| other != length) {
            return Err(ContentLengthError);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn all_lines_say_one_number() {
        let largest = u64::MAX.to_string();
        for (lines, length) in [
            (&[][..], Ok(None)),
            (&["0"], Ok(Some(0))),
            (&["5"], Ok(Some(5))),
            (&["005"], Ok(Some(5))),
            (&[" 5\t"], Ok(Some(5))),
            (&["5, 05"], Ok(Some(5))),
            (&["5", "5"], Ok(Some(5))),
            (&[largest.as_str()], Ok(Some(u64::MAX))),
            (&["18446744073709551616"], Err(ContentLengthError)),
            (&["5, 6"], Err(ContentLengthError)),
            (&["5", "6"], Err(ContentLengthError)),
            (&["5,"], Err(ContentLengthError)),
            (&[""], Err(ContentLengthError)),
            (&["+5"], Err(ContentLengthError)),
            (&["-5"], Err(ContentLengthError)),
            (&["0x5"], Err(ContentLengthError)),
            (&["5 5"], Err(ContentLengthError)),
            (&["\u{665}"], Err(ContentLengthError)),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                let line = HeaderValue::from_bytes(line.as_bytes()).expect("a value");
                headers.append(CONTENT_LENGTH, line);
            }
            assert_eq!(content_length(&headers), length, "{lines:?}");
        }
    }
}
