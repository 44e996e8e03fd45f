use http_body_util::Empty;
use proptest::prelude::*;

use super::super::encode::RequestFraming;
use super::*;

const GET: Asked = Asked {
    head: false,
    upgrade: false,
};

/// Status, fields and what follows the head. `None`: it is not whole.
type Read = Option<(u16, Vec<(String, Vec<u8>)>, Vec<u8>)>;

fn read<'a>(asked: Asked, parts: impl IntoIterator<Item = &'a [u8]>) -> Result<Read, String> {
    let mut reader = Reader::new(asked, HeaderMap::new());
    let mut answer: Read = None;
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        if let Some((_, _, rest)) = &mut answer {
            rest.extend_from_slice(part);
            continue;
        }
        let fed = reader.feed(part).map_err(|error| error.to_string())?;
        answer = fed.map(|answer| {
            let fields = answer.fields.iter();
            let fields = fields.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
            (
                answer.head.status.as_u16(),
                fields.collect(),
                answer.rest.to_vec(),
            )
        });
    }
    Ok(answer)
}

fn status(asked: Asked, text: &str) -> Result<Option<u16>, String> {
    read(asked, [text.as_bytes()]).map(|read| read.map(|read| read.0))
}

#[test]
fn interim_answers_are_passed_over() {
    let upgrade = Asked {
        upgrade: true,
        ..GET
    };
    let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    let ok = "HTTP/1.1 200 OK\r\n\r\n";
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let proceed = "HTTP/1.1 100 Continue\r\n\r\n";
    for (asked, text, outcome) in [
        (GET, format!("{proceed}{ok}"), Ok(Some(200))),
        (GET, format!("{hint}{proceed}{hint}{ok}"), Ok(Some(200))),
        (GET, hint.repeat(16) + ok, Ok(Some(200))),
        (
            GET,
            hint.repeat(17) + ok,
            Err("too many interim answers".to_owned()),
        ),
        (GET, hint.to_owned(), Ok(None)),
        (GET, switch.to_owned(), Err("101 to no upgrade".to_owned())),
        (upgrade, switch.to_owned(), Ok(Some(101))),
        (upgrade, format!("{hint}{switch}"), Ok(Some(101))),
        (upgrade, ok.to_owned(), Ok(Some(200))),
    ] {
        assert_eq!(status(asked, &text), outcome, "{text:?}");
    }
    let (_, fields, _) = read(GET, [format!("{hint}{ok}").as_bytes()])
        .expect("an answer")
        .expect("whole");
    assert!(
        fields.is_empty(),
        "those of the interim answer are not its own"
    );
}

#[test]
fn a_head_has_a_limit_in_whatever_parts_it_comes() {
    let long = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(MOST_HEAD));
    for size in [7, 1000, 16 * 1024, long.len()] {
        let outcome = read(GET, long.as_bytes().chunks(size));
        assert_eq!(outcome, Err("the head is too long".to_owned()), "{size}");
    }
}

#[test]
fn what_may_have_had_an_effect_is_not_repeated() {
    let io = || BrokenAnswer::Io(std::io::ErrorKind::ConnectionReset.into());
    let deadlines = crate::net::Deadlines::new(std::time::Instant::now());
    // Whether a byte was written, and there was no body; whether it may be repeated, and a byte was heard.
    for (written, bodiless, repeatable, heard, again) in [
        (false, true, false, false, true),
        (false, false, false, false, true),
        (true, true, true, false, true),
        (true, true, true, true, false),
        (true, true, false, false, false),
        (true, false, true, false, false),
    ] {
        let framing = if bodiless {
            RequestFraming::Length(0)
        } else {
            RequestFraming::Chunks
        };
        let limit = std::time::Duration::from_secs(1);
        let mut exchange = Exchange {
            upload: Upload::new(Vec::new(), Empty::<Bytes>::new(), framing),
            sending: Sending::Going,
            reader: Reader::new(GET, HeaderMap::new()),
            pace: Pace {
                deadline: deadlines.arm(Some(limit)),
                limit,
            },
        };
        exchange.reader.heard = heard;
        if written {
            exchange.upload.set_written();
        }
        for error in [io(), BrokenAnswer::NoAnswer] {
            let case = (written, bodiless, repeatable, heard);
            assert_eq!(exchange.may_repeat(&error, repeatable), again, "{case:?}");
        }
        for error in [BrokenAnswer::CutHead, BrokenAnswer::StatusLine] {
            assert!(!exchange.may_repeat(&error, repeatable));
        }
    }
}

proptest! {
    /// However the bytes arrive, the answer is the same.
    #[test]
    fn an_answer_is_the_same_in_whatever_parts_it_comes(
        text in prop_oneof![
            "(HTTP/1.1 103 E\r\n(l: m\r\n)?\r\n){0,2}HTTP/1.1 [2-5]0[0-9] OK\r\n([A-Za-z-]{1,6}: ?[a-z\t ]{0,6}\r\n){0,4}(Content-Length: [0-9]\r\n)?\r\n[a-z]{0,5}",
            "HTTP/1.[019] 200 OK\r?\n(a[ :]{1,2}b\r?\n){0,3}\r?\n[a-z]{0,3}",
        ],
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let parts = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        // What is wrong may be seen sooner or later, and told in other words: it is refused, and not taken for whole.
        let whole = read(GET, [bytes]).unwrap_or_default();
        prop_assert_eq!(read(GET, parts).unwrap_or_default(), whole.clone());
        prop_assert_eq!(read(GET, bytes.chunks(1)).unwrap_or_default(), whole);
    }
}
