//! The closed sets of label values.

use http::Method;

/// `method`: those of RFC 9110 §9.3 and PATCH (RFC 5789); any other is [`OTHER_METHOD`].
pub(super) const METHODS: [&str; 10] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "_OTHER",
];

/// The index of `_OTHER`: a client may invent methods, and none of them becomes a label.
const OTHER_METHOD: usize = METHODS.len() - 1;

/// The index of a method in [`METHODS`].
pub(super) fn method_index(method: &Method) -> usize {
    METHODS[..OTHER_METHOD]
        .iter()
        .position(|name| *name == method.as_str())
        .unwrap_or(OTHER_METHOD)
}

/// `code`: the registered status codes, and a class for the ones that an upstream made up.
pub(super) const CODES: [&str; REGISTERED.len() + 6] = codes();

/// Registered status codes (RFC 9110 §15 and the IANA registry), in order.
const REGISTERED: [(u16, &str); 60] = [
    (100, "100"),
    (101, "101"),
    (103, "103"),
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (203, "203"),
    (204, "204"),
    (205, "205"),
    (206, "206"),
    (207, "207"),
    (208, "208"),
    (226, "226"),
    (300, "300"),
    (301, "301"),
    (302, "302"),
    (303, "303"),
    (304, "304"),
    (305, "305"),
    (307, "307"),
    (308, "308"),
    (400, "400"),
    (401, "401"),
    (402, "402"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (406, "406"),
    (407, "407"),
    (408, "408"),
    (409, "409"),
    (410, "410"),
    (411, "411"),
    (412, "412"),
    (413, "413"),
    (414, "414"),
    (415, "415"),
    (416, "416"),
    (417, "417"),
    (418, "418"),
    (421, "421"),
    (422, "422"),
    (423, "423"),
    (424, "424"),
    (425, "425"),
    (426, "426"),
    (428, "428"),
    (429, "429"),
    (431, "431"),
    (451, "451"),
    (500, "500"),
    (501, "501"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
    (505, "505"),
    (506, "506"),
    (507, "507"),
    (508, "508"),
    (511, "511"),
];

/// What unregistered codes count as.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];

/// The index of a status code in [`CODES`].
pub(super) fn code_index(status: u16) -> usize {
    match REGISTERED.binary_search_by_key(&status, |(code, _)| *code) {
        Ok(index) => index,
        Err(_) => REGISTERED.len() + class_index(status),
    }
}

/// The index of an unregistered code in [`CLASSES`].
fn class_index(status: u16) -> usize {
    match status {
        100..=199 => 0,
        200..=299 => 1,
        300..=399 => 2,
        400..=499 => 3,
        500..=599 => 4,
        _ => 5,
    }
}

const fn codes() -> [&'static str; REGISTERED.len() + CLASSES.len()] {
    let mut all = [""; REGISTERED.len() + CLASSES.len()];
    let mut index = 0;
    while index < REGISTERED.len() {
        all[index] = REGISTERED[index].1;
        index += 1;
    }
    while index < all.len() {
        all[index] = CLASSES[index - REGISTERED.len()];
        index += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_that_nobody_registered_are_one_label() {
        for (method, label) in [
            (Method::GET, "GET"),
            (Method::PATCH, "PATCH"),
            (Method::CONNECT, "CONNECT"),
            (Method::from_bytes(b"get").unwrap(), "_OTHER"),
            (Method::from_bytes(b"PROPFIND").unwrap(), "_OTHER"),
            (Method::from_bytes(b"_OTHER").unwrap(), "_OTHER"),
        ] {
            assert_eq!(METHODS[method_index(&method)], label);
        }
    }

    #[test]
    fn every_status_has_one_label() {
        for status in 0..=u16::MAX {
            let label = CODES[code_index(status)];
            match REGISTERED.iter().find(|(code, _)| *code == status) {
                Some((_, name)) => assert_eq!(label, *name),
                None => assert!(CLASSES.contains(&label), "{status}: {label}"),
            }
        }
        assert_eq!(CODES[code_index(299)], "2xx");
        assert_eq!(CODES[code_index(520)], "5xx");
        assert_eq!(CODES[code_index(999)], "other");
    }

    #[test]
    fn the_table_of_codes_is_sorted_and_names_itself() {
        assert!(REGISTERED.is_sorted());
        for (code, name) in REGISTERED {
            assert_eq!(code.to_string(), name);
        }
    }
}
