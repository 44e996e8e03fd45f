//! The page as HTML. Everything that comes from elsewhere is escaped, and nothing runs: the policy allows one style sheet,
//! this one, and forms to this origin.

use std::fmt::{self, Write as _};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use jiff::Timestamp;

use super::asked::{Asked, Notice};
use super::{SessionLine, View, Visitor};

/// Stands in the page itself, so that one request shows all of it.
const STYLE: &str = include_str!("style.css");

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Allows the one style sheet by its digest.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        STANDARD.encode(digest)
    );
    HeaderValue::from_str(&policy).expect("base64 and words make a field value")
});

/// An answer of the page.
pub(super) fn answer(status: StatusCode, html: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    protect(headers);
    response
}

/// What every answer to a browser says: it is nobody else's, and shown nowhere else.
pub(super) fn protect(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    // Not `no-referrer`: with that a browser sends `Origin: null` with our own forms, too (Fetch, "append a request
    // `Origin` header"), and they would be refused.
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "same-origin"),
        (X_FRAME_OPTIONS, "DENY"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (OPENER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The page for whoever looks at it.
pub(super) fn page(view: &View<'_>) -> String {
    let mut out = String::with_capacity(4096);
    let written = match &view.visitor {
        Visitor::Unknown => sign_in(&mut out, view, false),
        // A session that is over leaves its cookie behind: the button has been tried.
        Visitor::Renewable => sign_in(&mut out, view, view.asked.notice != Some(Notice::Over)),
        Visitor::User { name, sessions } => signed_in(&mut out, view, name, sessions),
    };
    // A `String` takes everything.
    debug_assert!(written.is_ok());
    out
}

/// One sentence for a status.
pub(super) fn failure(status: StatusCode) -> String {
    let text = match status {
        StatusCode::FORBIDDEN => "This form came from another site. Nothing was done.",
        StatusCode::NOT_FOUND => "There is nothing here.",
        StatusCode::SERVICE_UNAVAILABLE => "The service cannot answer now. Try again in a moment.",
        _ => "That did not work.",
    };
    let mut out = String::new();
    let written = head(&mut out, text, true)
        .and_then(|()| writeln!(out, "<h1>{}</h1></main></body></html>", Text(text)));
    debug_assert!(written.is_ok());
    out
}

fn head(out: &mut String, title: &str, narrow: bool) -> fmt::Result {
    let class = if narrow { " class=\"narrow\"" } else { "" };
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><style>{STYLE}</style></head>\n<body><main{class}>",
        Text(title)
    )
}

fn notice(out: &mut String, notice: Option<Notice>) -> fmt::Result {
    let Some(notice) = notice else { return Ok(()) };
    // An alert is read out at once.
    let (class, role) = if notice.is_error() {
        (" error", "alert")
    } else {
        ("", "status")
    };
    let text = notice.text();
    writeln!(
        out,
        "<p class=\"notice{class}\" role=\"{role}\">{}</p>",
        Text(&text)
    )
}

/// The query that carries on where to go.
fn onward(view: &View<'_>) -> String {
    let asked = Asked {
        return_to: view.asked.return_to.clone(),
        notice: None,
    };
    asked.to_string()
}

fn sign_in(out: &mut String, view: &View<'_>, renewable: bool) -> fmt::Result {
    let (path, onward) = (Text(view.path), onward(view));
    let onward = Text(&onward);
    head(out, &format!("Sign in – {}", view.host), true)?;
    writeln!(out, "<h1>Sign in to {}</h1>", Text(view.host))?;
    notice(out, view.asked.notice)?;
    if renewable {
        writeln!(
            out,
            "<form method=\"post\" action=\"{path}/token{onward}\">\
             <input type=\"hidden\" name=\"grant_type\" value=\"refresh_token\">\
             <input type=\"hidden\" name=\"client_id\" value=\"portcullis\">\
             <button class=\"main\" id=\"continue\">Continue where you were</button></form>\n\
             <h2>Or as someone else</h2>"
        )?;
    }
    write!(
        out,
        "<form method=\"post\" action=\"{path}/login{onward}\" id=\"sign-in\">\n\
         <input type=\"hidden\" name=\"cookies\" value=\"true\">\n\
         <label for=\"username\">Name</label>\
         <input id=\"username\" name=\"username\" autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" \
         required maxlength=\"255\"{}>\n",
        if renewable { "" } else { " autofocus" }
    )?;
    password(out, "password", "Password", "current-password")?;
    out.push_str("<button class=\"main\">Sign in</button></form></main></body></html>\n");
    Ok(())
}

fn password(out: &mut String, name: &str, label: &str, autocomplete: &str) -> fmt::Result {
    writeln!(
        out,
        "<label for=\"{name}\">{label}</label><input id=\"{name}\" name=\"{name}\" type=\"password\" \
         autocomplete=\"{autocomplete}\" required maxlength=\"1024\">"
    )
}

fn signed_in(
    out: &mut String,
    view: &View<'_>,
    name: &str,
    sessions: &[SessionLine<'_>],
) -> fmt::Result {
    let path = Text(view.path);
    head(out, &format!("Signed in – {}", view.host), false)?;
    writeln!(out, "<h1>Signed in as {}</h1>", Text(name))?;
    notice(out, view.asked.notice)?;
    if let Some(return_to) = &view.asked.return_to {
        let return_to = return_to.to_string();
        writeln!(
            out,
            "<p><a href=\"{0}\">Go on to {0}</a></p>",
            Text(&return_to)
        )?;
    }
    write!(
        out,
        "<form method=\"post\" action=\"{path}/logout\"><button class=\"main\" id=\"sign-out\">Sign out</button></form>\n\
         <h2 id=\"sessions\">Your sessions</h2>\n<ul class=\"sessions\" aria-labelledby=\"sessions\">\n"
    )?;
    for session in sessions {
        line(out, view, session)?;
    }
    out.push_str("</ul>\n");
    if sessions.iter().any(|session| !session.current) {
        writeln!(
            out,
            "<form method=\"post\" action=\"{path}/sessions/end-others\">\
             <button id=\"end-others\">End all other sessions</button></form>"
        )?;
    }
    change_password(out, view, name)?;
    out.push_str("</main></body></html>\n");
    Ok(())
}

fn line(out: &mut String, view: &View<'_>, session: &SessionLine<'_>) -> fmt::Result {
    let device = if session.device.is_empty() {
        "Unknown device"
    } else {
        session.device
    };
    let id = session.id;
    write!(
        out,
        "<li><div><span id=\"s-{id}\">{}</span><small>{}, since {}, last used {}</small></div>",
        Text(device),
        session.address,
        Time(session.started),
        Time(session.last_seen),
    )?;
    if session.current {
        out.push_str("<strong>This one</strong></li>\n");
        return Ok(());
    }
    writeln!(
        out,
        "<form method=\"post\" action=\"{}/sessions/{id}\"><button aria-describedby=\"s-{id}\">End</button></form></li>",
        Text(view.path)
    )
}

fn change_password(out: &mut String, view: &View<'_>, name: &str) -> fmt::Result {
    // The name is there for password managers, which keep a password by its user.
    write!(
        out,
        "<h2>Change your password</h2>\n\
         <form method=\"post\" action=\"{}/password\" class=\"narrow\" id=\"change\">\n\
         <input autocomplete=\"username\" value=\"{}\" hidden readonly>\n",
        Text(view.path),
        Text(name)
    )?;
    password(out, "current", "Current password", "current-password")?;
    password(out, "new", "New password", "new-password")?;
    password(out, "again", "New password, again", "new-password")?;
    writeln!(
        out,
        "<button class=\"main\">Change password</button></form>"
    )
}

/// Text in an element or in a quoted attribute.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // What turns the direction of writing would draw over what stands beside it.
                c if c.is_control() || is_invisible(c) => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A moment, to the minute.
struct Time(Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (full, short) = (
            self.0.strftime("%Y-%m-%dT%H:%M:%SZ"),
            self.0.strftime("%Y-%m-%d %H:%M UTC"),
        );
        write!(f, "<time datetime=\"{full}\">{short}</time>")
    }
}
