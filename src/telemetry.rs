//! What the process says: tracing to standard error, the access log to standard output.

mod background;

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::LogFormat;
use crate::proxy::AccessLogSink;

use background::Background;
pub use background::LastLines;

/// Starts tracing. `RUST_LOG` is honoured; the default level is `info`. Panics are lines of it, too. The last ones are
/// written when what it returns is dropped.
pub fn start(format: LogFormat) -> LastLines {
    let terminal = io::stderr().is_terminal();
    let json = json_on(format, terminal);
    // Whoever reads standard error may stop reading: a worker must not wait for that.
    let (layer, last) = match Background::start(json, io::stderr()) {
        Ok(background) => {
            let last = background.last_lines();
            (lines(json, terminal, background), last)
        }
        Err(_) => (lines(json, terminal, io::stderr), LastLines::NONE),
    };
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    // Only the first start counts: tests start several gateways in one process.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init();
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
        let backtrace = backtrace.map(|backtrace| backtrace.to_string());
        tracing::error!(
            place,
            backtrace,
            "panicked: {}",
            panic_text(panic.payload())
        );
    }));
    last
}

/// What a panic said, if it was said in words.
fn panic_text(payload: &dyn Any) -> &str {
    match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "without words",
    }
}

/// Whether lines are JSON in that format: `auto` is text on a terminal.
#[must_use]
pub fn is_json(format: LogFormat) -> bool {
    json_on(format, io::stdout().is_terminal())
}

/// Whether lines are JSON where they go to a terminal, or not.
fn json_on(format: LogFormat, terminal: bool) -> bool {
    match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    }
}

/// The layer that writes lines.
fn lines<W>(json: bool, ansi: bool, out: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(out);
    if json {
        let layer = layer.json().flatten_event(true).with_current_span(false);
        layer
            .with_span_list(false)
            .with_filter(filter_fn(may_show))
            .boxed()
    } else {
        layer
            .with_ansi(ansi)
            .with_filter(filter_fn(may_show))
            .boxed()
    }
}

/// Libraries never speak at `trace`, whatever `RUST_LOG` says: there they may print bytes of the wire, and so tokens.
fn may_show(metadata: &Metadata<'_>) -> bool {
    let own = metadata.target().split("::").next() == Some(env!("CARGO_PKG_NAME"));
    own || *metadata.level() <= Level::DEBUG
}

/// The access log's way to standard output.
#[derive(Debug, Default)]
pub struct StdoutSink;

impl AccessLogSink for StdoutSink {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(lines)?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn auto_is_text_on_a_terminal() {
        for (format, terminal, json) in [
            (LogFormat::Auto, true, false),
            (LogFormat::Auto, false, true),
            (LogFormat::Text, false, false),
            (LogFormat::Json, true, true),
        ] {
            assert_eq!(json_on(format, terminal), json, "{format:?} {terminal}");
        }
    }

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written while `speak` runs.
    fn written(json: bool, speak: impl FnOnce()) -> String {
        let out = Written::default();
        let writer = out.clone();
        let layer = lines(json, false, move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), speak);
        String::from_utf8(out.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_json_line_is_one_flat_object() {
        let text = written(true, || {
            tracing::info!(generation = 2, "{}", "reloaded\n{\"forged\":1}");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["generation"], 2);
        assert_eq!(line["message"], "reloaded\n{\"forged\":1}");
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn text_has_no_escapes_off_a_terminal() {
        let text = written(false, || tracing::warn!(file = "\u{1b}[31mx", "bad"));
        assert!(text.contains("bad") && !text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn libraries_do_not_trace() {
        let text = written(false, || {
            tracing::trace!(target: "hyper::proto::h1", "secret bytes");
            tracing::trace!(target: "portcullish", "secret bytes");
            tracing::debug!(target: "hyper::proto::h1", "a state");
            tracing::trace!(target: "portcullis::reload", "a detail");
        });
        assert!(!text.contains("secret bytes"), "{text}");
        assert!(
            text.contains("a state") && text.contains("a detail"),
            "{text}"
        );
    }
}
