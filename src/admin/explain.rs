//! `POST /explain`: what this gateway would do with a request, by what it has in force.

use std::net::{IpAddr, Ipv4Addr};

use http::StatusCode;

use crate::clock::UnixTime;
use crate::explain::{BadQuestion, KeyFacts, KeyOrigin, Question, explain};
use crate::jwt::VerifyingKey;
use crate::keys::KeySourceStatuses;

use super::AdminState;
use super::problem::{Answer, json, problem_with};

/// What the body says.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    url: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    client: Option<IpAddr>,
    token: Option<String>,
    /// RFC 3339.
    at: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

/// Explains the request that the body describes.
pub(super) fn answer_question(state: &AdminState, body: &[u8]) -> Answer {
    // What serde says of a body may repeat it, and a token may stand there.
    let Ok(asked) = serde_json::from_slice::<Asked>(body) else {
        let detail = "write {\"url\": \"https://..\", \"method\": \"GET\", \"headers\": [[\"name\", \"value\"]], \
                      \"client\": \"IP\", \"token\": \"..\", \"at\": \"2026-01-31T12:00:00Z\"}: all but `url` can be left out";
        return refused(detail);
    };
    let question = match asked.question(state.shared.clock.now()) {
        Ok(Ok(question)) => question,
        Ok(Err(error)) => return refused(&error.to_string()),
        Err(detail) => return refused(detail),
    };
    let snapshot = state.shared.snapshot.load();
    let revocations = state.shared.revocations.load();
    let live = Live(&state.key_sources);
    json(
        StatusCode::OK,
        &explain(&snapshot, &revocations, &live, &question),
    )
}

impl Asked {
    fn question(&self, present: UnixTime) -> Result<Result<Question, BadQuestion>, &'static str> {
        let now = match &self.at {
            Some(text) => text
                .parse::<jiff::Timestamp>()
                .map_err(|_| "`at` is no time")?,
            None => return Ok(self.at_time(present)),
        };
        Ok(self.at_time(UnixTime::from_seconds(now.as_second())))
    }

    fn at_time(&self, now: UnixTime) -> Result<Question, BadQuestion> {
        let client = self.client.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let token = self.token.as_deref();
        Question::new(&self.method, &self.url, &self.headers, token, (client, now))
    }
}

fn refused(detail: &str) -> Answer {
    problem_with(
        StatusCode::BAD_REQUEST,
        "This is no request that could be explained.",
        detail,
    )
}

/// Keys as the refreshers know them.
struct Live<'s>(&'s KeySourceStatuses);

impl KeyFacts for Live<'_> {
    fn origin(&self, issuer: &str, key: &VerifyingKey) -> KeyOrigin {
        let source = key.source();
        let all = self.0.of(issuer);
        let status = all.iter().find(|status| Some(&status.source) == source);
        KeyOrigin {
            source: source.map(ToString::to_string),
            fetched: status.and_then(|status| status.last_success),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::admin::routes::tests::{ask, state};
    use crate::reload::testing::config;

    #[tokio::test]
    async fn what_is_in_force_is_explained() {
        let state = state(config(), 0);
        let seen = ask(
            &state,
            "POST",
            "/explain",
            &json!({"url": "https://api.test/nowhere"}).to_string(),
        )
        .await;
        assert_eq!(seen.status, 200);
        let explained: Value = seen.json();
        assert_eq!(explained["verdict"]["verdict"], "refused", "{explained}");
        assert_eq!(explained["request"]["client"], "127.0.0.1");
        let at = json!({"url": "https://api.test/", "at": "2027-01-15T08:00:00Z", "client": "192.0.2.1", "method": "POST"});
        let explained = ask(&state, "POST", "/explain", &at.to_string())
            .await
            .json();
        assert_eq!(explained["at"], "2027-01-15T08:00:00Z");
        assert_eq!(explained["request"]["client"], "192.0.2.1");
        assert_eq!(explained["request"]["method"], "POST");
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused_and_a_token_never_repeated() {
        let state = state(config(), 0);
        for body in [
            "",
            "{}",
            r#"{"url": "/orders"}"#,
            r#"{"url": "https://api.test/", "at": "soon"}"#,
            r#"{"url": "https://api.test/", "method": "G T"}"#,
            r#"{"url": "https://api.test/", "headers": [["a b", "c"]]}"#,
            r#"{"url": "https://api.test/", "token": "sec\nret"}"#,
            r#"{"url": "https://api.test/", "tokens": "sec-ret"}"#,
        ] {
            let seen = ask(&state, "POST", "/explain", body).await;
            assert_eq!(seen.status, 400, "{body}");
            assert!(!seen.body.contains("sec"), "{}", seen.body);
        }
        assert_eq!(ask(&state, "GET", "/explain", "").await.status, 405);
    }
}
