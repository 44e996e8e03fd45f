//! The command itself: the question, who answers it, and how the answer is shown.

use std::io::{IsTerminal, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::cli::admin_client::AdminOptions;
use crate::cli::arguments::moment_argument;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Colour, printable, write_err, write_out};
use crate::clock::{Clock, UnixTime};
use crate::explain::{Explanation, Question, explain};

use super::offline::Offline;
use super::text::render;

/// More than any gateway takes; a file given by mistake is not read to its end.
const MOST_BYTES: u64 = 1024 * 1024;

/// Explain each step of the decision on a request, with what was looked at and what was found
///
/// Nothing is sent. It is decided here, with the configuration, the keys of files and those that a gateway on this machine has
/// kept; or with --live (or --admin) by the gateway that runs, with what it has in force. The token is never shown. Exits with
/// 3 if the request is refused.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Explain {
    /// The whole URL, as in `https://api.example.com/orders`
    #[arg(value_name = "URL")]
    url: String,
    /// The token; `-` reads it from standard input, `@FILE` from a file [default: standard input, if it is no terminal].
    /// Tokens on a command line are seen by others
    #[arg(value_name = "TOKEN")]
    token: Option<String>,
    /// The method
    #[arg(
        short = 'X',
        long = "method",
        value_name = "METHOD",
        default_value = "GET"
    )]
    method: String,
    /// A field of the request, once for each
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = field_argument)]
    fields: Vec<(String, String)>,
    /// The address that the connection comes from
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    client: IpAddr,
    /// Decide as of then: 2026-01-31T12:00:00Z, or seconds since 1970 [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment_argument, allow_hyphen_values = true)]
    at: Option<UnixTime>,
    /// How to say it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Ask the gateway that runs
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    admin: AdminOptions,
}

/// How the explanation is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Lines, in colour on a terminal
    Text,
    /// One JSON object
    Json,
}

impl Explain {
    /// Explains.
    pub(in crate::cli) fn execute(&self) -> Result<Exit, Failure> {
        let token = self.token()?;
        let token = token.as_deref().map(bare).filter(|token| !token.is_empty());
        let (explanation, notes) = if self.live || self.admin.is_named() {
            match self.ask_gateway(token)? {
                Ok(explanation) => (explanation, Vec::new()),
                Err(exit) => return Ok(exit),
            }
        } else {
            let now = self.at.unwrap_or_else(|| Clock::System.now());
            let who = (self.client, now);
            let question = Question::new(&self.method, &self.url, &self.fields, token, who);
            let question = match question {
                Ok(question) => question,
                Err(error) => {
                    write_err(format_args!("error: {error}"));
                    return Ok(Exit::USAGE);
                }
            };
            let offline = Offline::new(self.admin.config().load()?, now)?;
            let (snapshot, revocations) = (&offline.snapshot, &offline.revocations);
            let explanation = explain(snapshot, revocations, &offline, &question);
            (explanation, offline.notes)
        };
        match self.format {
            Format::Json => write_out(format_args!("{:#}\n", json!(explanation)))?,
            Format::Text => write_out(render(&explanation, &notes, Colour::of_stdout()))?,
        }
        Ok(if explanation.verdict.is_admitted() {
            Exit::OK
        } else {
            Exit::REFUSED
        })
    }

    /// The answer of the gateway that runs; the exit code if it has none, and that was said.
    fn ask_gateway(&self, token: Option<&str>) -> Result<Result<Explanation, Exit>, Failure> {
        let fields: Vec<Value> = self.fields.iter().map(|(n, v)| json!([n, v])).collect();
        let body = json!({
            "method": self.method, "url": self.url, "headers": fields, "client": self.client, "token": token,
            "at": self.at.map(|at| at.to_string()),
        });
        let client = self.admin.client()?;
        let answer = client.ask(Method::POST, "/explain", Some(&body))?;
        if answer.status != StatusCode::OK {
            let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let said = ["detail", "title"]
                .iter()
                .find_map(|it| problem[it].as_str());
            let said = printable(said.unwrap_or("no reason was given"));
            write_err(format_args!(
                "error: the gateway answers {}: {said}",
                answer.status
            ));
            return Ok(Err(if answer.status == StatusCode::BAD_REQUEST {
                Exit::USAGE
            } else {
                Exit::FAILED
            }));
        }
        match serde_json::from_slice(&answer.body) {
            Ok(explanation) => Ok(Ok(explanation)),
            Err(error) => {
                write_err(format_args!("error: the answer is no explanation: {error}"));
                Ok(Err(Exit::FAILED))
            }
        }
    }

    fn token(&self) -> Result<Option<String>, Failure> {
        let mut text = String::new();
        match self.token.as_deref() {
            // Nobody types a token; a command that waits for one without a word seems to hang.
            None if std::io::stdin().is_terminal() => return Ok(None),
            None | Some("-") => {
                let input = std::io::stdin().take(MOST_BYTES);
                { input }.read_to_string(&mut text)?;
            }
            Some(argument) => match argument.strip_prefix('@') {
                Some(path) => {
                    let file = std::fs::File::open(path);
                    file.and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text))
                        .map_err(|source| Failure::File {
                            action: "read",
                            path: PathBuf::from(path),
                            source,
                        })?;
                }
                None => argument.clone_into(&mut text),
            },
        }
        Ok(Some(text))
    }
}

/// The token without what people copy along with it: white space, and the rest of an `Authorization` line.
fn bare(text: &str) -> &str {
    text.split_ascii_whitespace().next_back().unwrap_or("")
}

/// `NAME: VALUE`
fn field_argument(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write NAME: VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
