use proptest::prelude::*;

use super::*;

/// What a body decodes to, and what is left after it. `None`: it has not ended.
type Decoded = Option<(Vec<u8>, HeaderMap, Vec<u8>)>;

fn decoded<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<Decoded, String> {
    let mut chunks = Chunks::new();
    let (mut data, mut rest) = (Vec::new(), Vec::new());
    let mut end = None;
    for part in parts {
        let mut input = Bytes::copy_from_slice(part);
        while end.is_none() {
            match chunks
                .decode(&mut input)
                .map_err(|error| error.to_string())?
            {
                None => break,
                Some(Piece::Data(piece)) => {
                    assert!(!piece.is_empty());
                    data.extend_from_slice(&piece);
                }
                Some(Piece::Trailers(fields)) => end = Some(fields),
                Some(Piece::End) => end = Some(HeaderMap::new()),
            }
        }
        rest.extend_from_slice(&input);
    }
    Ok(end.map(|trailers| (data, trailers, rest)))
}

#[test]
fn chunks_are_joined_and_end_with_the_last() {
    for (text, data, rest) in [
        ("0\r\n\r\n", "", ""),
        ("3\r\nabc\r\n0\r\n\r\n", "abc", ""),
        ("3\r\nabc\r\n002\r\nde\r\n00\r\n\r\nmore", "abcde", "more"),
        ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789", ""),
        ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789", ""),
        ("3;x=y;z\r\nabc\r\n0;last\r\n\r\n", "abc", ""),
        ("3 \t\r\nabc\r\n0 ; x\r\n\r\n", "abc", ""),
        ("3;x=\"\u{e9}\"\r\nabc\r\n0\r\n\r\n", "abc", ""),
        ("0000000000000003\r\nabc\r\n0\r\n\r\n", "abc", ""),
    ] {
        let whole = decoded([text.as_bytes()]).expect(text).expect("an end");
        assert_eq!(whole.0, data.as_bytes(), "{text:?}");
        assert_eq!(whole.2, rest.as_bytes(), "{text:?}");
        assert!(whole.1.is_empty(), "{text:?}");
    }
}

#[test]
fn trailers_follow_the_last_chunk() {
    let text = b"1\r\na\r\n0\r\nX-Sum: 7\r\nX-Other: 8\r\n\r\nmore";
    let (data, trailers, rest) = decoded([&text[..]]).expect("chunks").expect("an end");
    assert_eq!((data, rest), (b"a".to_vec(), b"more".to_vec()));
    assert_eq!(trailers["x-sum"], "7");
    assert_eq!(trailers["x-other"], "8");
}

#[test]
fn what_is_no_strict_coding_is_refused() {
    let many = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(17_000));
    let padded = format!("1{}\r\na\r\n0\r\n\r\n", " ".repeat(17_000));
    let spread = format!("1;{}\r\na\r\n", "x".repeat(900)).repeat(20) + "0\r\n\r\n";
    let trailers = format!("0\r\nx: {}\r\n\r\n", "y".repeat(17_000));
    for text in [
        "\r\n",
        ";x\r\n",
        " 3\r\nabc\r\n",
        "-3\r\nabc\r\n",
        "+3\r\nabc\r\n",
        "0x3\r\nabc\r\n",
        "3x\r\nabc\r\n",
        "3 3\r\nabc\r\n",
        "g\r\n",
        "00000000000000003\r\nabc\r\n",
        "10000000000000000\r\nabc\r\n",
        // Ends of lines.
        "3\nabc\r\n",
        "3\r\r\nabc\r\n",
        "3\rabc\r\n",
        "3;x\nabc\r\n",
        "3;x\0\r\nabc\r\n",
        "3;x\r\rabc\r\n",
        "3\r\nabc\n",
        "3\r\nabc\r\r\n",
        "3\r\nabcd\r\n",
        "3\r\nabc0\r\n\r\n",
        // Trailers.
        "0\r\na b\r\n\r\n",
        "0\r\na: b\n\r\n\r\n",
        "0\r\n folded: x\r\n\r\n",
        &many,
        &padded,
        &spread,
        &trailers,
    ] {
        decoded([text.as_bytes()]).expect_err(text);
    }
}

#[test]
fn a_body_that_is_cut_has_no_end() {
    let text = b"3\r\nabc\r\n2;x\r\nde\r\n0\r\na: b\r\n\r\n";
    for end in 0..text.len() {
        assert_eq!(decoded([&text[..end]]), Ok(None), "{end}");
    }
}

proptest! {
    /// However bytes arrive, the outcome is the same.
    #[test]
    fn a_body_is_the_same_in_whatever_parts_it_comes(
        text in prop_oneof![
            "(([0-9a-fA-F]{1,2}|3)(;[a-z=]{0,5})?\r\n[a-z]{0,4}\r\n){0,3}0\r\n(a: b\r\n)?\r\n[a-z]{0,3}",
            "((3\r\nabc|2\r\nab|1;x\r\na)\r\n){0,4}0\r\n(a: b\r\n){0,2}\r\n[a-z]{0,3}",
        ],
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let parts = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(decoded(parts), decoded([bytes]));
        prop_assert_eq!(decoded(bytes.chunks(1)), decoded([bytes]));
    }
}
