//! `man`: the manual pages, from the same data as `--help`.

use std::io;
use std::path::{Path, PathBuf};

use clap_mangen::Man;

use super::command::command;
use super::failure::{Exit, Failure};
use super::output::write_out;

/// Print the manual page, or write one for each command
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Manual {
    /// Write portcullis.1, portcullis-run.1 and so on to this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Manual {
    /// Prints or writes them.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        match &self.out {
            Some(directory) => {
                write_pages(directory).map_err(|source| Failure::File {
                    action: "write to",
                    path: directory.clone(),
                    source,
                })?;
            }
            None => write_out(String::from_utf8_lossy(&page()?))?,
        }
        Ok(Exit::OK)
    }
}

fn page() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command()).render(&mut page)?;
    Ok(page)
}

fn write_pages(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(command(), directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_each_command() {
        let directory = tempfile::tempdir().unwrap();
        write_pages(directory.path()).unwrap();
        for name in [
            "portcullis.1",
            "portcullis-run.1",
            "portcullis-check.1",
            "portcullis-dev.1",
            "portcullis-token-mint.1",
            "portcullis-keys-generate.1",
        ] {
            assert!(directory.path().join(name).is_file(), "{name}");
        }
    }

    #[test]
    fn the_page_lists_the_commands() {
        let page = String::from_utf8(page().unwrap()).unwrap();
        assert!(
            page.starts_with(".ie") && page.contains("healthcheck"),
            "{page}"
        );
    }
}
