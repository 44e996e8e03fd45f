//! `completions`: for the shell to load.

use super::command::command;
use super::failure::{Exit, Failure};
use super::output::write_out;

/// Print the completions of a shell
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Completions {
    /// For which shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl Completions {
    /// Prints them.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        write_out(String::from_utf8_lossy(&self.script()))?;
        Ok(Exit::OK)
    }

    fn script(&self) -> Vec<u8> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "portcullis", &mut script);
        script
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_completes_every_command() {
        for &shell in clap_complete::Shell::value_variants() {
            let script = String::from_utf8(Completions { shell }.script()).unwrap();
            for name in command().get_subcommands().map(clap::Command::get_name) {
                assert!(script.contains(name), "{shell}: {name}");
            }
        }
    }
}
