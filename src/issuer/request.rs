//! What a request says: the fields of a form or the members of a JSON object, read strictly.
//!
//! A parameter that stands twice is refused (RFC 6749 §3.1, §3.2), one without a value counts as left out, and one that
//! nobody asks for is ignored, whatever it is.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use zeroize::Zeroizing;

use crate::json::{self, JsonError, Value};
use crate::passwords::{Password, PasswordError};

/// What a request says.
pub(super) struct Parameters(Vec<(Box<str>, Given)>);

/// The value of a parameter.
enum Given {
    Text(Zeroizing<String>),
    Flag(bool),
    /// A number, `null`, an array or an object: no parameter of ours is one.
    Other,
}

/// Why a request cannot be read. `Display` is for the client: fixed words and names of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    /// More than [`MOST_BYTES`].
    #[error("the body is too large")]
    TooLarge,
    /// Neither a form nor JSON, another charset than UTF-8, or compressed.
    #[error("the body must be a form or JSON, in UTF-8")]
    MediaType,
    /// No form, or no JSON object.
    #[error("the body is malformed")]
    Malformed,
    /// Some parameter stands there twice.
    #[error("a parameter stands twice")]
    Twice,
    /// More than [`MOST_PARAMETERS`].
    #[error("too many parameters")]
    TooMany,
    /// Parameters in the target: they would stand in logs.
    #[error("parameters belong in the body")]
    InTarget,
    /// One that is needed.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// One that is no text, or no flag.
    #[error("`{0}` has the wrong type")]
    WrongType(&'static str),
    /// One with a control in it, or longer than it may be.
    #[error("`{0}` is not acceptable")]
    Unacceptable(&'static str),
    /// Credentials that contradict each other, or cannot be read (RFC 6749 §2.3).
    #[error("the credentials are malformed, or given in two ways")]
    Credentials,
}

/// Most bytes of a body: 64 KiB, as much as the gateway reads of one.
const MOST_BYTES: usize = 64 * 1024;

/// Most parameters: 64. The longest request of ours has eight.
const MOST_PARAMETERS: usize = 64;

impl Parameters {
    /// Reads the body of a request. An empty one of no type says nothing.
    ///
    /// # Errors
    /// It is too large, of another type, malformed, or says something twice.
    pub(super) fn read(
        query: Option<&str>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Self, RequestError> {
        // RFC 6749 §2.3.1, §3.2: never in the target, which ends in logs.
        if query.is_some_and(|query| !query.is_empty()) {
            return Err(RequestError::InTarget);
        }
        if body.len() > MOST_BYTES {
            return Err(RequestError::TooLarge);
        }
        let given = match MediaType::of(headers)? {
            None if body.is_empty() => Vec::new(),
            None => return Err(RequestError::MediaType),
            Some(MediaType::Form) => read_form(body)?,
            Some(MediaType::Json) => read_json(body)?,
        };
        Ok(Self(given))
    }

    /// A text without controls, unless it is left out or empty.
    ///
    /// # Errors
    /// It is no text, or holds a control.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, RequestError> {
        let text = self.raw(name)?;
        if text.is_some_and(|text| text.chars().any(char::is_control)) {
            return Err(RequestError::Unacceptable(name));
        }
        Ok(text)
    }

    /// A text without controls.
    ///
    /// # Errors
    /// It is missing, no text, or holds a control.
    pub(super) fn required(&self, name: &'static str) -> Result<&str, RequestError> {
        self.text(name)?.ok_or(RequestError::Missing(name))
    }

    /// A password, as it was typed: a control is a character of it like any other.
    ///
    /// # Errors
    /// It is missing, no text, or longer than a password may be.
    pub(super) fn password(&self, name: &'static str) -> Result<Password, RequestError> {
        let text = self.raw(name)?.ok_or(RequestError::Missing(name))?;
        Password::new(text.as_bytes().to_vec()).map_err(|error| match error {
            PasswordError::Empty => RequestError::Missing(name),
            PasswordError::TooLong => RequestError::Unacceptable(name),
        })
    }

    /// Whether something is wanted: `true` or `false`, in a form as text; `false` if left out.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, RequestError> {
        match self.find(name) {
            None => Ok(false),
            Some(Given::Flag(flag)) => Ok(*flag),
            Some(Given::Text(text)) => match text.as_str() {
                "" | "false" => Ok(false),
                "true" => Ok(true),
                _ => Err(RequestError::WrongType(name)),
            },
            Some(Given::Other) => Err(RequestError::WrongType(name)),
        }
    }

    fn raw(&self, name: &'static str) -> Result<Option<&str>, RequestError> {
        match self.find(name) {
            None => Ok(None),
            Some(Given::Text(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(Given::Flag(_) | Given::Other) => Err(RequestError::WrongType(name)),
        }
    }

    fn find(&self, name: &str) -> Option<&Given> {
        let mut all = self.0.iter();
        all.find(|(known, _)| **known == *name)
            .map(|(_, given)| given)
    }
}

/// What a body is said to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MediaType {
    /// `application/x-www-form-urlencoded`
    Form,
    /// `application/json`
    Json,
}

impl MediaType {
    /// What the one `Content-Type` says; `None` without one.
    ///
    /// # Errors
    /// Another type, another charset than UTF-8, two fields, or a coding.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, RequestError> {
        let refused = || RequestError::MediaType;
        if let Some(coding) = single(headers, &CONTENT_ENCODING).map_err(|()| refused())?
            && !coding.eq_ignore_ascii_case("identity")
        {
            return Err(refused());
        }
        let Some(value) = single(headers, &CONTENT_TYPE).map_err(|()| refused())? else {
            return Ok(None);
        };
        let mut parts = value.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        let media_type = if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::Form
        } else if essence.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else {
            return Err(refused());
        };
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim_matches('"');
            if name.eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8") {
                return Err(refused());
            }
        }
        Ok(Some(media_type))
    }
}

/// The value of a field that may stand there once.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, ()> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(());
    }
    value.to_str().map(Some).map_err(drop)
}

/// The members of a JSON object; the parser refuses those that stand twice, at any depth.
fn read_json(body: &[u8]) -> Result<Vec<(Box<str>, Given)>, RequestError> {
    let document = json::parse(body).map_err(|error| match error {
        JsonError::Syntax => RequestError::Malformed,
        JsonError::DuplicateMember => RequestError::Twice,
    })?;
    let root = document.root();
    let members = root.as_object().ok_or(RequestError::Malformed)?;
    let mut given = Vec::new();
    for (name, value) in members.iter() {
        if given.len() == MOST_PARAMETERS {
            return Err(RequestError::TooMany);
        }
        let value = match value {
            Value::String(text) => Given::Text(Zeroizing::new(text.to_owned())),
            Value::Bool(flag) => Given::Flag(flag),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => Given::Other,
        };
        given.push((name.into(), value));
    }
    Ok(given)
}

/// The fields of a form (RFC 6749 appendix B).
fn read_form(body: &[u8]) -> Result<Vec<(Box<str>, Given)>, RequestError> {
    let mut given: Vec<(Box<str>, Given)> = Vec::new();
    let fields = body.split(|byte| *byte == b'&');
    for field in fields.filter(|field| !field.is_empty()) {
        if given.len() == MOST_PARAMETERS {
            return Err(RequestError::TooMany);
        }
        let at = field.iter().position(|byte| *byte == b'=');
        let (name, value) = match at {
            Some(at) => (&field[..at], &field[at + 1..]),
            None => (field, &[][..]),
        };
        let name = form_decode(name).ok_or(RequestError::Malformed)?;
        let value = form_decode(value).ok_or(RequestError::Malformed)?;
        if given.iter().any(|(known, _)| **known == **name) {
            return Err(RequestError::Twice);
        }
        given.push((name.as_str().into(), Given::Text(value)));
    }
    Ok(given)
}

/// `application/x-www-form-urlencoded`: `+` is a blank, `%` stands before two hexadecimal digits, and all of it is UTF-8.
pub(super) fn form_decode(encoded: &[u8]) -> Option<Zeroizing<String>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(encoded.len()));
    let mut bytes = encoded.iter();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (hex(*bytes.next()?)?, hex(*bytes.next()?)?);
                high << 4 | low
            }
            // No browser sends one as it is: whoever does means something else.
            byte if byte.is_ascii_control() => return None,
            byte => *byte,
        });
    }
    let text = std::str::from_utf8(&decoded).ok()?;
    Some(Zeroizing::new(text.to_owned()))
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
