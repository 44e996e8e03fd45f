//! Whether what came of a case is right.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::harness::Received;
use super::super::harness::upstream::normal;
use super::laxest::laxest_path;
use super::{Case, Expected, Outcome};

/// What is wrong with an outcome; nothing, if it or the alternative is right.
pub(super) fn judge(case: &Case, outcome: &Outcome) -> Vec<String> {
    let mut problems = Vec::new();
    judge_answer(case, &case.status, false, outcome, &mut problems);
    judge_upstream(&case.upstream, outcome, &mut problems);
    if problems.is_empty() {
        return problems;
    }
    if let Some(alternative) = &case.alt {
        let mut others = Vec::new();
        judge_answer(case, &alternative.status, true, outcome, &mut others);
        judge_upstream(&alternative.upstream, outcome, &mut others);
        if others.is_empty() {
            return others;
        }
    }
    problems
}

fn judge_answer(
    case: &Case,
    expected: &[u16],
    is_alternative: bool,
    outcome: &Outcome,
    problems: &mut Vec<String>,
) {
    let responses = responses(&outcome.answer);
    let finals: Vec<u16> = responses
        .iter()
        .map(|one| one.0)
        .filter(|status| *status >= 200 || *status == 101)
        .collect();
    let continued = responses.first().is_some_and(|one| one.0 == 100) && expected.contains(&100);
    match finals.first() {
        None if !outcome.answer.is_empty() => {
            problems.push("an answer that is not HTTP".to_owned());
        }
        None if case.expect == "forward" && !is_alternative => {
            problems.push("no answer".to_owned());
        }
        None if case.expect == "reject" && !outcome.closed => {
            problems.push("no answer, and the connection is open".to_owned());
        }
        Some(status) if !continued && !expected.contains(status) => {
            problems.push(format!("status {status}, not {expected:?}"));
        }
        None | Some(_) => {}
    }
    let faults = |status: &&u16| {
        **status >= 500 && !matches!(status, 501 | 505) && !expected.contains(status)
    };
    problems.extend(
        finals
            .iter()
            .filter(faults)
            .map(|status| format!("fault {status}")),
    );
    let ambiguous = matches!(case.class.as_str(), "framing" | "chunked") && case.expect == "reject";
    if ambiguous && !outcome.closed && finals.first().is_some_and(|status| *status >= 400) {
        problems.push("refused, and the connection is open".to_owned());
    }
    if is_alternative {
        return;
    }
    if case.responses.is_some_and(|count| finals.len() > count) {
        problems.push(format!("{} answers", finals.len()));
    }
    if let (Some(expected), Some(second)) = (&case.second_status, finals.get(1))
        && !expected.contains(second)
    {
        problems.push(format!("second status {second}"));
    }
    if case.upstream.location_rule.is_some() {
        problems.extend(responses.iter().filter_map(|one| bad_location(&one.1)));
    }
}

/// Redirects stay here, and no field is broken out of.
fn bad_location(head: &str) -> Option<String> {
    for line in head.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.trim();
        let here =
            (value.starts_with('/') && !value.starts_with("//") && !value.starts_with("/\\"))
                || value.starts_with("http://gw.test")
                || value.starts_with("https://gw.test")
                || value.starts_with('?');
        if name.eq_ignore_ascii_case("location") && !here {
            return Some(format!("Location {value}"));
        }
        if name.eq_ignore_ascii_case("set-cookie") && value.starts_with("a=b") {
            return Some("a split answer".to_owned());
        }
    }
    None
}

fn judge_upstream(expected: &Expected, outcome: &Outcome, problems: &mut Vec<String>) {
    let all = &outcome.received;
    let complete = all.iter().filter(|request| request.complete).count();
    let most = expected.max_requests.unwrap_or(1);
    if complete > most {
        let lines: Vec<String> = all.iter().map(Received::request_line).collect();
        problems.push(format!(
            "{complete} complete requests at the upstream: {lines:?}"
        ));
    }
    if most == 0 && !expected.aborted_ok && !all.is_empty() {
        problems.push(format!("at the upstream: {:?}", all[0].request_line()));
    }
    for text in &expected.must_not_contain_b64 {
        let text = STANDARD.decode(text).expect("base64");
        let text = String::from_utf8_lossy(&text).into_owned();
        if all
            .iter()
            .any(|request| request.request_line().contains(&text))
        {
            problems.push(format!("smuggled {text:?}"));
        }
    }
    for request in all {
        judge_absent(expected, request, problems);
        if request.complete {
            judge_present(expected, request, problems);
            judge_target(expected, request, problems);
        }
    }
}

/// `Name` or `Name: value`.
fn name_and_value(text: &str) -> (&str, &str) {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    (name, value.trim())
}

fn contains(value: &[u8], part: &str) -> bool {
    String::from_utf8_lossy(value).contains(part)
}

fn judge_absent(expected: &Expected, request: &Received, problems: &mut Vec<String>) {
    for field in &expected.must_not_have_header {
        let (name, part) = name_and_value(field);
        let in_trailer = |trailer: &&(String, Vec<u8>)| normal(&trailer.0) == normal(name);
        let trailers = request
            .trailers
            .iter()
            .filter(in_trailer)
            .map(|trailer| &trailer.1[..]);
        let fields = request.like(name);
        if fields
            .iter()
            .map(|value| &value[..])
            .chain(trailers)
            .any(|value| contains(value, part))
        {
            problems.push(format!("upstream field {field}"));
        }
    }
    for name in &expected.must_not_have_trailer {
        if request
            .trailers
            .iter()
            .any(|trailer| normal(&trailer.0) == normal(name))
        {
            problems.push(format!("upstream trailer {name}"));
        }
    }
    let head = String::from_utf8_lossy(&request.head);
    if head.contains("\n ") || head.contains("\n\t") {
        problems.push("a folded line at the upstream".to_owned());
    }
}

fn judge_present(expected: &Expected, request: &Received, problems: &mut Vec<String>) {
    for field in &expected.must_have_header {
        let (name, value) = name_and_value(field);
        let there = request
            .like(name)
            .iter()
            .any(|one| value.is_empty() || one == value.as_bytes());
        if !there {
            problems.push(format!("upstream lacks {field}"));
        }
    }
    for (name, most) in &expected.header_count {
        if request.like(name).len() > *most {
            problems.push(format!("{name} more than {most} times"));
        }
    }
    for (name, value) in &expected.header {
        let values = request.like(name);
        if !values.is_empty() && values != [value.as_bytes()] {
            problems.push(format!("{name} is {values:?}"));
        }
    }
    for field in &expected.header_absent {
        let (name, value) = name_and_value(field);
        if request.like(name).iter().any(|one| one == value.as_bytes()) {
            problems.push(format!("upstream still has {field}"));
        }
    }
    // The corpus writes a body as text in Latin-1.
    let latin: String = request.body.iter().map(|byte| char::from(*byte)).collect();
    if expected.body.as_ref().is_some_and(|body| *body != latin) {
        problems.push(format!("body {latin:?}"));
    }
    if expected
        .body_bytes
        .is_some_and(|length| length != request.body.len())
    {
        problems.push(format!("body of {} bytes", request.body.len()));
    }
}

fn judge_target(expected: &Expected, request: &Received, problems: &mut Vec<String>) {
    let line = request
        .head
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let target = words.nth(1).unwrap_or_default();
    let mut halves = target.splitn(2, |byte| *byte == b'?');
    let path = halves.next().unwrap_or_default();
    let query = halves.next().unwrap_or_default();
    if expected
        .path
        .as_ref()
        .is_some_and(|expected| expected.as_bytes() != path)
    {
        problems.push(format!("path {:?}", String::from_utf8_lossy(path)));
    }
    if expected
        .query
        .as_ref()
        .is_some_and(|expected| expected.as_bytes() != query)
    {
        problems.push(format!("query {:?}", String::from_utf8_lossy(query)));
    }
    if expected.path_rule.is_some() {
        let read = laxest_path(target);
        if read != b"/public" && !read.starts_with(b"/public/") {
            let read = String::from_utf8_lossy(&read).into_owned();
            problems.push(format!(
                "{:?} may be read as {read}",
                String::from_utf8_lossy(target)
            ));
        }
    }
}

/// Status and head of each answer in a stream.
fn responses(mut bytes: &[u8]) -> Vec<(u16, String)> {
    let mut all = Vec::new();
    while bytes.starts_with(b"HTTP/1.") {
        let Some(end) = position(bytes, b"\r\n\r\n") else {
            break;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        bytes = &bytes[end + 4..];
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        bytes = after_body(status, &head, bytes);
        all.push((status, head));
        if status == 101 {
            break;
        }
    }
    all
}

fn after_body<'b>(status: u16, head: &str, mut bytes: &'b [u8]) -> &'b [u8] {
    if status < 200 {
        return bytes;
    }
    let head = head.to_ascii_lowercase();
    let value = |name: &str| {
        head.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    if value("transfer-encoding:").is_some() {
        loop {
            let Some(end) = position(bytes, b"\r\n") else {
                return b"";
            };
            let size = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let Ok(size) = usize::from_str_radix(&size, 16) else {
                return b"";
            };
            let skip = end + 2 + size + 2;
            if size == 0 || bytes.len() < skip {
                return bytes.get(skip..).unwrap_or_default();
            }
            bytes = &bytes[skip..];
        }
    }
    match value("content-length:").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) => bytes.get(length..).unwrap_or_default(),
        None => position(bytes, b"HTTP/1.").map_or(b"", |next| &bytes[next..]),
    }
}

fn position(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
