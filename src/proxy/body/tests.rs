use std::convert::Infallible;
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};

use super::*;

const NO_LIMITS: UploadLimits = UploadLimits {
    bytes: None,
    idle: Duration::MAX,
    trailer_count: usize::MAX,
    trailer_bytes: usize::MAX,
};

/// A body of these parts, and then its end.
fn parts(parts: &[&'static str]) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
    let parts: Vec<_> = parts
        .iter()
        .map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes()))))
        .collect();
    StreamBody::new(stream::iter(parts))
}

/// The same without an end.
fn stalling(all: &[&'static str]) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
    let parts = parts(all).into_data_stream().map_ok(Frame::data);
    StreamBody::new(parts.chain(stream::pending()))
}

fn frame<I>(upload: &Upload<I>, limit: Option<u64>) -> Option<Result<usize, BodyError>>
where
    I: Body<Data = Bytes> + Unpin,
    I::Error: Into<Box<dyn Error + Send + Sync>>,
{
    std::future::poll_fn(|cx| upload.poll_frame(cx, limit))
        .now_or_never()
        .expect("a frame")
        .map(|frame| frame.map(|frame| frame.into_data().map_or(0, |data| data.len())))
}

#[test]
fn bytes_are_counted_up_to_the_limit() {
    let frames = || parts(&["abc", "de"]);
    let upload = Upload::new(frames(), false).unwrap();
    assert_eq!(upload.length(), None);
    assert!(matches!(frame(&upload, Some(5)), Some(Ok(3))));
    assert!(matches!(frame(&upload, Some(5)), Some(Ok(2))));
    assert_eq!(upload.state(), UploadState::Open);
    assert!(frame(&upload, Some(5)).is_none());
    assert_eq!(
        (upload.received(), upload.state()),
        (5, UploadState::Complete)
    );

    let upload = Upload::new(frames(), false).unwrap();
    assert!(matches!(frame(&upload, Some(4)), Some(Ok(3))));
    assert!(matches!(
        frame(&upload, Some(4)),
        Some(Err(BodyError::TooLarge))
    ));
    assert_eq!(upload.state(), UploadState::TooLarge);
}

#[test]
fn a_body_of_known_length_is_complete_with_its_last_byte() {
    let upload = Upload::new(Full::new(Bytes::from_static(b"body")), false).unwrap();
    assert_eq!(upload.length(), Some(4));
    assert!(matches!(frame(&upload, None), Some(Ok(4))));
    assert_eq!(upload.state(), UploadState::Complete);
}

#[test]
fn no_body_is_no_upload() {
    assert!(Upload::new(Empty::<Bytes>::new(), false).is_none());
    let body = RequestBody::<Incoming>::default();
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
}

#[test]
fn the_end_of_a_reset_stream_is_no_end() {
    let ends_early = || parts(&["half"]);
    for (http2, whole) in [(false, true), (true, false)] {
        let upload = Upload::new(ends_early(), http2).unwrap();
        assert!(matches!(frame(&upload, None), Some(Ok(4))));
        assert_eq!(frame(&upload, None).is_none(), whole);
        let state = if whole {
            UploadState::Complete
        } else {
            UploadState::Broken
        };
        assert_eq!(upload.state(), state);
    }
}

#[test]
fn only_a_client_that_is_waited_for_can_be_late() {
    let start = Instant::now();
    let deadlines = Deadlines::new(start);
    let limits = UploadLimits {
        idle: Duration::from_secs(10),
        ..NO_LIMITS
    };
    let upload = Upload::new(stalling(&["a", "b"]), false).unwrap();
    let mut body = RequestBody::new(Rc::clone(&upload), limits, deadlines.clone(), Rc::default());
    assert!(body.frame().now_or_never().unwrap().unwrap().is_ok());
    // The upstream takes nothing for a minute.
    deadlines.sweep(start + Duration::from_mins(1));
    assert!(body.frame().now_or_never().unwrap().unwrap().is_ok());
    deadlines.sweep(start + Duration::from_mins(2));
    assert!(body.frame().now_or_never().is_none());
    deadlines.sweep(start + Duration::from_secs(125));
    assert!(body.frame().now_or_never().is_none());
    deadlines.sweep(start + Duration::from_secs(131));
    let late = body.frame().now_or_never().unwrap().unwrap();
    assert!(matches!(late, Err(BodyError::Idle)));
    assert_eq!(upload.state(), UploadState::Idle);
}

#[test]
fn a_refused_body_is_read_off_up_to_a_limit() {
    let deadlines = Deadlines::new(Instant::now());
    let part = vec![b'x'; 40_000];
    let parts = stream::repeat_with(move || Ok::<_, Infallible>(Frame::data(part.clone().into())));
    let endless = Upload::new(StreamBody::new(parts), false).unwrap();
    discard(Rc::clone(&endless), deadlines.clone())
        .now_or_never()
        .expect("an end");
    assert_eq!(endless.received(), 80_000);
    // One that says nothing more is given up when its time is over.
    let silent = Upload::new(stalling(&["a"]), false).unwrap();
    assert!(discard(silent, deadlines).now_or_never().is_none());
    assert!(is_short(Some(65_536)) && !is_short(Some(65_537)) && !is_short(None));
}

#[test]
fn trailers_without_a_field_left_are_none() {
    let trailers = |name: &'static str| {
        let mut map = HeaderMap::new();
        map.insert(name, http::HeaderValue::from_static("1"));
        Frame::trailers(map)
    };
    let clean = |map: &mut HeaderMap| {
        map.remove("x-user");
    };
    assert!(cleaned(trailers("x-user"), clean).is_none());
    assert!(cleaned(trailers("x-sum"), clean).unwrap().is_trailers());
    assert!(cleaned(Frame::data(Bytes::new()), clean).unwrap().is_data());
}

#[test]
fn trailers_of_http2_have_the_limits_of_a_head() {
    let trailers = || {
        let mut map = HeaderMap::new();
        for value in ["1", "22"] {
            map.append("x-sum", http::HeaderValue::from_static(value));
        }
        map
    };
    // Two names, two values, and 32 for each (RFC 9113 §6.5.2).
    let size = 2 * 5 + 3 + 2 * 32;
    for (http2, trailer_count, trailer_bytes, pass) in [
        (true, 2, size, true),
        (true, 1, size, false),
        (true, 2, size - 1, false),
        (false, 1, 1, true),
    ] {
        let limits = UploadLimits {
            trailer_count,
            trailer_bytes,
            ..NO_LIMITS
        };
        let frames = [Ok::<_, Infallible>(Frame::trailers(trailers()))];
        let upload = Upload::new(StreamBody::new(stream::iter(frames)), http2).unwrap();
        let deadlines = Deadlines::new(Instant::now());
        let mut body = RequestBody::new(Rc::clone(&upload), limits, deadlines, Rc::default());
        let frame = body.frame().now_or_never().unwrap().unwrap();
        let case = (http2, trailer_count, trailer_bytes);
        if pass {
            assert_eq!(frame.unwrap().trailers_ref(), Some(&trailers()), "{case:?}");
            assert_eq!(upload.state(), UploadState::Complete, "{case:?}");
        } else {
            let error = frame.expect_err("too long");
            assert!(matches!(error, BodyError::TrailersTooLong), "{case:?}");
            assert_eq!(upload.state(), UploadState::Broken, "{case:?}");
        }
    }
}
