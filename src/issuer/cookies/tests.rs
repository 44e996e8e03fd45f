use super::*;

fn headers(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let value = HeaderValue::from_bytes(line.as_bytes()).unwrap();
        headers.append(COOKIE, value);
    }
    headers
}

/// F18: what is malformed is no cookie, and two of one name are none that can be believed.
#[test]
fn one_cookie_of_the_name_counts() {
    for (lines, expected) in [
        (&["p=1"][..], Ok(Some("1"))),
        (&["a=b; p=1; c=d"], Ok(Some("1"))),
        (&["a=b;p=1"], Ok(Some("1"))),
        (&["a=b", "p=1"], Ok(Some("1"))),
        (&["p=a=b"], Ok(Some("a=b"))),
        (&["p="], Ok(Some(""))),
        (&[], Ok(None)),
        (&["p"], Ok(None)),
        (&["P=1"], Ok(None)),
        (&["__Host-p=1"], Ok(None)),
        (&["pp=1; xp=2"], Ok(None)),
        (&["p=\u{e9}"], Ok(None)),
        (&["p=1; p=1"], Err(Twice)),
        (&["p=1", "p=2"], Err(Twice)),
        (&["p=1; a=b; p=%%%"], Err(Twice)),
    ] {
        assert_eq!(crumb(&headers(lines), "p"), expected, "{lines:?}");
    }
}
