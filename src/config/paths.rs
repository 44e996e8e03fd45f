//! Where the gateway keeps what it makes itself.

use std::path::{Path, PathBuf};

use super::Environment;

/// The state directory: `$STATE_DIRECTORY` (systemd; the first, if it names several), else
/// `$XDG_STATE_HOME/portcullis`, else `$HOME/.local/state/portcullis`, else `/var/lib/portcullis`.
pub(super) fn state_directory(environment: &Environment) -> PathBuf {
    // A relative path would depend on where the process was started; the XDG specification ignores such too.
    let absolute = |name: &str| {
        let value = environment.get(name)?;
        let first = value.split(':').next().unwrap_or_default();
        Path::new(first).is_absolute().then(|| PathBuf::from(first))
    };
    if let Some(directory) = absolute("STATE_DIRECTORY") {
        return directory;
    }
    if let Some(home) = absolute("XDG_STATE_HOME") {
        return home.join("portcullis");
    }
    absolute("HOME").map_or_else(
        || PathBuf::from("/var/lib/portcullis"),
        |home| home.join(".local/state/portcullis"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_set_and_absolute_wins() {
        let all = [
            ("STATE_DIRECTORY", "/a:/b"),
            ("XDG_STATE_HOME", "/x"),
            ("HOME", "/h"),
        ];
        for (skip, expected) in [
            (0, "/a"),
            (1, "/x/portcullis"),
            (2, "/h/.local/state/portcullis"),
            (3, "/var/lib/portcullis"),
        ] {
            let set = all.iter().skip(skip);
            let environment = Environment(
                set.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
            );
            assert_eq!(state_directory(&environment), Path::new(expected));
        }
        let relative = Environment([("HOME".to_owned(), "h".to_owned())].into());
        assert_eq!(state_directory(&relative), Path::new("/var/lib/portcullis"));
    }
}
