//! What an HTTP/2 server sent, as far as the outcome of a case needs it: statuses, resets, the end.

/// What came.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) statuses: Vec<u16>,
    /// `RST_STREAM` frames.
    pub(super) resets: usize,
    /// The error code of GOAWAY.
    pub(super) goaway: Option<u32>,
    /// Whether the gateway closed the connection.
    pub(super) closed: bool,
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;

/// RFC 9113 §6. Frames of the gateway are neither padded nor prioritized.
pub(super) fn read(mut bytes: &[u8], closed: bool) -> Answer {
    let mut answer = Answer {
        closed,
        ..Answer::default()
    };
    let mut table = Table::default();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let Some((payload, rest)) = rest.split_at_checked(length) else {
            break;
        };
        bytes = rest;
        match head[3] {
            HEADERS => answer.statuses.extend(table.status(payload)),
            RST_STREAM => answer.resets += 1,
            GOAWAY => {
                let code = payload[4..8].try_into().expect("four bytes");
                answer.goaway = Some(u32::from_be_bytes(code));
            }
            _ => {}
        }
    }
    answer
}

/// The dynamic table of HPACK (RFC 7541 §2.3.2), newest last; of its entries only those of `:status` are kept. Nothing
/// is evicted: entries are counted from the newest, so old ones do no harm.
#[derive(Default)]
struct Table(Vec<Option<u16>>);

/// The first entry of the dynamic table.
const DYNAMIC: usize = 62;

impl Table {
    /// The status of a field section, which every section has to be read for: any may add to the table.
    fn status(&mut self, mut block: &[u8]) -> Option<u16> {
        let mut found = None;
        while let Some(&first) = block.first() {
            let status = if first & 0x80 != 0 {
                self.entry(integer(&mut block, 7))
            } else if first & 0xe0 == 0x20 {
                integer(&mut block, 5);
                None
            } else {
                let kept = first & 0x40 != 0;
                let index = integer(&mut block, if kept { 6 } else { 4 });
                if index == 0 {
                    string(&mut block);
                }
                let is_status = self.entry(index).is_some();
                let status = string(&mut block).filter(|_| is_status);
                if kept {
                    self.0.push(status);
                }
                status
            };
            found = found.or(status);
        }
        found
    }

    fn entry(&self, index: usize) -> Option<u16> {
        match index {
            // RFC 7541, Appendix A.
            8..=14 => Some([200, 204, 206, 304, 400, 404, 500][index - 8]),
            DYNAMIC.. => self.0.iter().rev().nth(index - DYNAMIC).copied().flatten(),
            _ => None,
        }
    }
}

/// RFC 7541 §5.1.
fn integer(block: &mut &[u8], bits: u32) -> usize {
    let mut next = || {
        let (first, rest) = block.split_first().expect("a whole integer");
        *block = rest;
        usize::from(*first)
    };
    let most = (1 << bits) - 1;
    let mut value = next() & most;
    if value == most {
        let mut shift = 0;
        loop {
            let byte = next();
            value += (byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    value
}

/// A string (RFC 7541 §5.2), if it is three digits.
fn string(block: &mut &[u8]) -> Option<u16> {
    let huffman = block.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(block, 7);
    let (text, rest) = block.split_at(length);
    *block = rest;
    let digits = if huffman {
        huffman_digits(text)?
    } else {
        text.iter()
            .map(|byte| char::from(*byte).to_digit(10))
            .collect::<Option<Vec<u32>>>()?
    };
    let number = digits.iter().fold(0, |number, digit| number * 10 + digit);
    (digits.len() == 3)
        .then(|| u16::try_from(number).ok())
        .flatten()
}

/// Digits in the code of RFC 7541, Appendix B: 0, 1 and 2 have five bits, the others six.
fn huffman_digits(text: &[u8]) -> Option<Vec<u32>> {
    if text.len() > 3 {
        return None;
    }
    let all = text
        .iter()
        .fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
    let mut left = u32::try_from(text.len()).ok()? * 8;
    let mut digits = Vec::new();
    while left >= 5 && digits.len() < 3 {
        let five = all >> (left - 5) & 31;
        if five <= 2 {
            digits.push(five);
            left -= 5;
            continue;
        }
        let six = all >> left.checked_sub(6)? & 63;
        digits.push(
            six.checked_sub(22)
                .filter(|digit| (3..=9).contains(digit))?,
        );
        left -= 6;
    }
    Some(digits)
}

#[test]
fn statuses_are_read_in_every_form() {
    let mut table = Table::default();
    for (block, status) in [
        // Static, literal that is kept, that entry again, plain, not kept.
        (&[0x88][..], Some(200)),
        (&[0x48, 0x82, 0x68, 0x01, 0x0f, 0x03, 0x01, b'x'], Some(401)),
        (&[0xbe], Some(401)),
        (&[0x08, 0x03, b'4', b'3', b'1'], Some(431)),
        (&[0x40, 0x01, b'a', 0x01, b'b', 0xbf], Some(401)),
        (&[0x3f, 0xe1, 0x1f, 0x8c], Some(400)),
        (&[0x40, 0x01, b'a', 0x03, b'2', b'0', b'0'], None),
    ] {
        assert_eq!(table.status(block), status, "{block:02x?}");
    }
    assert_eq!(huffman_digits(&[0x64, 0x02]), Some(vec![3, 0, 2]));
}
