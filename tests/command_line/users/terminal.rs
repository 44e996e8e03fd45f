//! Passwords that are typed.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::process::wait_until;

use super::{PASSWORD, add, names, sandbox};

/// A terminal, with everything that has shown on it.
struct Terminal {
    keyboard: File,
    slave: OwnedFd,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn new() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let slave = ioctl_tiocgptpeer(&master, flags).expect("its other side");
        let keyboard = File::from(master);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut output, shown) = (keyboard.try_clone().expect("cloned"), Arc::clone(&screen));
        thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().expect("not poisoned").extend(&bytes[..count]);
            }
        });
        Self {
            keyboard,
            slave,
            screen,
        }
    }

    fn start(&self, mut command: Command) -> Child {
        let side = || Stdio::from(self.slave.try_clone().expect("cloned"));
        command.stdin(side()).stdout(side()).stderr(side());
        command.spawn().expect("it starts")
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().expect("not poisoned")).into_owned()
    }

    fn type_after(&mut self, question: &str, text: &str) {
        wait_until(|| self.shown().contains(question).then_some(()))
            .unwrap_or_else(|| panic!("never {question:?} in {}", self.shown()));
        self.keyboard.write_all(text.as_bytes()).expect("typed");
    }

    fn echoes(&self) -> bool {
        let modes = tcgetattr(self.slave.as_fd())
            .expect("a terminal")
            .local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ISIG | LocalModes::ICANON)
    }
}

#[test]
fn on_a_terminal_the_password_is_asked_for_twice_and_never_shown() {
    let sandbox = sandbox();
    for (name, second, code, said) in [
        ("alice", "correct horse battery\n", 0, "user alice added"),
        ("bob", "something else\n", 1, "the two passwords differ"),
        // Ctrl-C in the middle of it.
        ("bob", "correct\x03", 1, "no password was given"),
        ("bob", "\n", 1, "cannot be empty"),
    ] {
        let mut terminal = Terminal::new();
        assert!(terminal.echoes());
        let mut child = terminal.start(sandbox.command(&["user", "add", name]));
        terminal.type_after(&format!("Password of {name}: "), &format!("{PASSWORD}\n"));
        terminal.type_after("The same again: ", second);
        let status = child.wait().expect("it ends");
        wait_until(|| terminal.shown().contains(said).then_some(()));
        let shown = terminal.shown();
        assert_eq!(status.code(), Some(code), "{shown}");
        assert!(shown.contains(said), "{shown}");
        assert!(
            !shown.contains("horse") && !shown.contains("something"),
            "{shown}"
        );
        assert!(terminal.echoes(), "the terminal is as it was");
    }
    assert_eq!(names(&sandbox), ["alice"]);
}

#[test]
fn nobody_types_a_password_for_a_user_that_cannot_have_it() {
    let sandbox = sandbox();
    add(&sandbox, "alice", &[]);
    for arguments in [["user", "add", "alice"], ["user", "passwd", "bob"]] {
        let terminal = Terminal::new();
        let status = terminal.start(sandbox.command(&arguments)).wait();
        assert_eq!(status.expect("it ends").code(), Some(1));
        assert!(
            !terminal.shown().contains("Password"),
            "{}",
            terminal.shown()
        );
    }
}
