//! `version`: what this binary is.

use serde_json::json;

use super::failure::{Exit, Failure};
use super::output::write_out;

/// Print the version
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Version {
    /// As JSON, with what it was built for
    #[arg(long)]
    json: bool,
}

impl Version {
    /// Prints it.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        write_out(self.text())?;
        Ok(Exit::OK)
    }

    fn text(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        if !self.json {
            return format!("portcullis {version}\n");
        }
        let json = json!({
            "name": env!("CARGO_PKG_NAME"),
            "version": version,
            "license": env!("CARGO_PKG_LICENSE"),
            "architecture": std::env::consts::ARCH,
            "os": std::env::consts::OS,
        });
        format!("{json:#}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_say_the_same_version() {
        let text = Version { json: false }.text();
        let json: serde_json::Value = serde_json::from_str(&Version { json: true }.text()).unwrap();
        assert_eq!(
            text,
            format!("portcullis {}\n", json["version"].as_str().unwrap())
        );
    }
}
