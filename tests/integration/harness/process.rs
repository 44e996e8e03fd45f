//! The gateway as a process of its own: with signals, file limits, and pipes that nobody reads.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{Connection, Reply, Request};

/// How a process is started.
#[derive(Clone, Copy, Default)]
pub(crate) struct Launch {
    /// Soft and hard limit on open files.
    pub(crate) files: Option<(u32, u32)>,
    /// `RUST_LOG`.
    pub(crate) rust_log: Option<&'static str>,
    /// Standard output is a pipe that nobody reads.
    pub(crate) stdout_is_stuck: bool,
    /// Standard error becomes one once the gateway serves.
    pub(crate) stderr_is_stuck: bool,
    /// Not the binary, but the gateway of `worker_faults` with this fault.
    pub(crate) fault: Option<&'static str>,
}

/// The environment variables of a gateway with a fault: its configuration file, and which fault.
pub(crate) const FAULTY: &str = "FAULTY_GATEWAY";
pub(crate) const FAULT: &str = "FAULTY_GATEWAY_FAULT";

/// A running process. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
    out: Output,
    errors: Output,
    _directory: TempDir,
}

impl Process {
    /// Starts `portcullis run` with a configuration.
    pub(crate) fn start(text: &str, directory: TempDir, launch: Launch) -> Self {
        let file = directory.path().join("gateway.toml");
        std::fs::write(&file, text).expect("written");
        let mut command = command(launch);
        match launch.fault {
            None => command.args(["run", "-c"]).arg(&file),
            Some(fault) => command.env(FAULTY, &file).env(FAULT, fault),
        };
        command
            .env("STATE_DIRECTORY", directory.path().join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary was built");
        let mut errors = BufReader::new(child.stderr.take().expect("piped"));
        let serving = first_line(&mut errors, "serving");
        let address = |name: &str| {
            let text = serving[name].as_str().unwrap_or_default();
            let text = text.trim_matches(['[', ']']);
            text.parse().expect("an address")
        };
        let (address, admin) = (address("listen"), address("admin"));
        let stdout: ChildStdout = child.stdout.take().expect("piped");
        Self {
            out: Output::of(stdout, launch.stdout_is_stuck),
            errors: Output::of(errors, launch.stderr_is_stuck),
            child,
            address,
            admin,
            _directory: directory,
        }
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Sends a request on a connection of its own.
    pub(crate) fn send(&self, request: &Request) -> Reply {
        self.connect().request(request)
    }

    /// Asks the admin listener.
    pub(crate) fn admin(&self, path: &str) -> Reply {
        let request = Request::get(path).field("Host", "localhost");
        Connection::open(self.admin).unchecked(&request)
    }

    /// The value of the first sample of a metric, whatever its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.admin("/metrics").text();
        let sample = text.lines().find(|line| line.starts_with(name));
        let value = sample.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        value.unwrap_or_else(|| panic!("{name} in {text}"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), signal).expect("it runs");
    }

    /// Waits for the end: the exit status, all of standard output and of standard error.
    pub(crate) fn wait(mut self) -> (ExitStatus, String, String) {
        let mut status = None;
        wait_until("the process ends", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        let (out, errors) = (self.out.whole(), self.errors.whole());
        (status.expect("it has ended"), out, errors)
    }

    /// What standard error said so far.
    pub(crate) fn errors(&self) -> String {
        self.errors.text()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds.
pub(crate) fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The command; with a limit on files by way of a shell that sets it for itself.
fn command(launch: Launch) -> Command {
    if launch.fault.is_some() {
        let itself = std::env::current_exe().expect("the test binary");
        let mut command = Command::new(itself);
        let test = "worker_faults::faulty_gateway";
        command.args([test, "--exact", "--ignored", "--nocapture"]);
        return command;
    }
    let binary = env!("CARGO_BIN_EXE_portcullis");
    let mut command = match launch.files {
        None => Command::new(binary),
        Some((soft, hard)) => {
            let mut shell = Command::new("sh");
            let script = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
            shell.args(["-c", &script, binary]);
            shell
        }
    };
    command.env_remove("RUST_LOG");
    if let Some(filter) = launch.rust_log {
        command.env("RUST_LOG", filter);
    }
    command
}

/// Reads up to the line with that message.
fn first_line(lines: &mut BufReader<ChildStderr>, message: &str) -> Value {
    let mut text = String::new();
    loop {
        let begin = text.len();
        let count = lines.read_line(&mut text).expect("text");
        assert!(count > 0, "it ended: {text}");
        let line: Value = serde_json::from_str(&text[begin..]).unwrap_or_default();
        if line["message"] == message {
            return line;
        }
    }
}

/// What a process says, read by a thread; or by nobody.
struct Output {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    /// Open, and never read.
    _stuck: Option<Box<dyn Read + Send>>,
}

impl Output {
    fn of(mut pipe: impl Read + Send + 'static, stuck: bool) -> Self {
        let text: Arc<Mutex<Vec<u8>>> = Arc::default();
        if stuck {
            return Self {
                text,
                reader: None,
                _stuck: Some(Box::new(pipe)),
            };
        }
        let into = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut room = [0; 4096];
            while let Ok(count) = pipe.read(&mut room)
                && count > 0
            {
                into.lock()
                    .expect("whole")
                    .extend_from_slice(&room[..count]);
            }
        });
        Self {
            text,
            reader: Some(reader),
            _stuck: None,
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("whole")).into_owned()
    }

    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("read to its end");
        }
        self.text()
    }
}
