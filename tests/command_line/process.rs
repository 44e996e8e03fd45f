//! A directory, commands that run in it to their end, and gateways that run in it until a signal.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory with a state directory, and nothing of the tester's own environment.
pub(crate) struct Sandbox(TempDir);

/// A command that has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    /// Replaces a file as editors and deployments do: by a rename.
    pub(crate) fn replace(&self, name: &str, text: &str) {
        self.write("new", text);
        std::fs::rename(self.path("new"), self.path(name)).expect("renamed");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .env("STATE_DIRECTORY", self.path("state"))
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let output = self.command(arguments).output().expect("it starts");
        Ended {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Runs a command that must succeed: its standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.err);
        ended.out
    }

    /// Starts `run -c gateway.toml` and waits until it serves.
    pub(crate) fn serve(&self, config: &str) -> Running {
        self.write("gateway.toml", config);
        let running = Running::start(self.command(&["run", "-c", "gateway.toml"]));
        running.wait_for("\"message\":\"serving\"");
        running
    }
}

/// A gateway. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let said = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().expect("piped"), &said);
        collect(child.stderr.take().expect("piped"), &said);
        Self { child, said }
    }

    /// Everything that it has written so far, to standard output and to standard error.
    pub(crate) fn said(&self) -> String {
        self.said.lock().expect("not poisoned").clone()
    }

    /// Waits until it has written `text`.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        wait_until(|| {
            let said = self.said();
            said.contains(text).then_some(said)
        })
        .unwrap_or_else(|| panic!("never {text:?} in\n{}", self.said()))
    }

    /// Where it serves, as its log says.
    pub(crate) fn address(&self) -> SocketAddr {
        self.logged_address("\"listen\":\"[")
    }

    /// Where its admin listener is.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.logged_address("\"admin\":\"")
    }

    fn logged_address(&self, label: &str) -> SocketAddr {
        let said = self.said();
        let (_, rest) = said.split_once(label).expect("it says where");
        let value = rest.split(['"', ',']).next().unwrap_or_default();
        value.trim_end_matches(']').parse().expect("an address")
    }

    /// The options that lead a command to it.
    pub(crate) fn admin_url(&self) -> String {
        format!("http://{}", self.admin())
    }

    /// Sends a signal, by the name that `kill` knows.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id();
        let line = format!("kill -{name} {id}");
        let sent = Command::new("sh").args(["-c", &line]).status();
        assert!(sent.expect("a shell").success());
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        wait_until(|| self.child.try_wait().expect("it is ours"))
            .unwrap_or_else(|| panic!("it goes on:\n{}", self.said()))
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(from: impl Read + Send + 'static, into: &Arc<Mutex<String>>) {
    let into = Arc::clone(into);
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from
            .read_until(b'\n', &mut line)
            .is_ok_and(|count| count > 0)
        {
            let text = String::from_utf8_lossy(&line).into_owned();
            into.lock().expect("not poisoned").push_str(&text);
            line.clear();
        }
    });
}

/// Asks again and again, for as long as is bearable.
pub(crate) fn wait_until<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() > end {
            return answer;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// An upstream that answers every request without a body with `ok`, on a connection of its own.
pub(crate) fn upstream() -> SocketAddr {
    slow_upstream(|_| {})
}

/// An upstream that calls `before` with the request before it answers.
pub(crate) fn slow_upstream(before: impl Fn(&str) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let before = Arc::new(before);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let before = Arc::clone(&before);
            thread::spawn(move || answer(stream, before.as_ref()));
        }
    });
    address
}

fn answer(mut stream: TcpStream, before: &dyn Fn(&str)) -> io::Result<()> {
    let mut request = String::new();
    let mut lines = BufReader::new(stream.try_clone()?);
    while !request.ends_with("\r\n\r\n") {
        if lines.read_line(&mut request)? == 0 {
            return Ok(());
        }
    }
    before(&request);
    stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
}

/// The status and the whole text of the answer to a GET.
pub(crate) fn get(address: SocketAddr, target: &str, fields: &str) -> (u16, String) {
    let stream = TcpStream::connect(address).expect("a connection");
    exchange(stream, &address.to_string(), target, fields)
}

/// Asks over any stream.
pub(crate) fn exchange(
    mut stream: impl Read + Write,
    host: &str,
    target: &str,
    fields: &str,
) -> (u16, String) {
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    // A gateway that is killed may cut the connection: then there is no status.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok());
    (status.unwrap_or(0), answer)
}

/// The repository's own files.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
