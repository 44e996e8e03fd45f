//! What all readers share: the source, the environment, and what they find.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::raw::Text;
use super::reference::Key;
use super::source::{Origin, Source};
use super::{ConfigError, ConfigErrors, Environment, SecretOrigin, SecretUse};

/// What all readers share.
pub(super) struct Context<'a> {
    pub(super) source: &'a Source,
    pub(super) environment: &'a Environment,
    /// Where relative paths begin.
    pub(super) directory: &'a Path,
    errors: RefCell<Vec<(Origin, ConfigError)>>,
    files: RefCell<BTreeSet<PathBuf>>,
    /// Values that are not in the text, in the order they were filled in: they count for the hash.
    values: RefCell<Vec<String>>,
    /// Keys asked for, when someone wants to know.
    keys: Option<RefCell<Vec<Key>>>,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) origin: Origin,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        source: &'a Source,
        environment: &'a Environment,
        directory: &'a Path,
    ) -> Self {
        Self {
            source,
            environment,
            directory,
            errors: RefCell::default(),
            files: RefCell::default(),
            values: RefCell::default(),
            keys: None,
        }
    }

    /// Notes every key that is asked for.
    pub(super) fn recording(self) -> Self {
        Self {
            keys: Some(RefCell::default()),
            ..self
        }
    }

    /// Whether keys are noted.
    pub(super) fn is_recording(&self) -> bool {
        self.keys.is_some()
    }

    /// Notes a key.
    pub(super) fn record(&self, key: impl FnOnce() -> Key) {
        if let Some(keys) = &self.keys {
            keys.borrow_mut().push(key());
        }
    }

    pub(super) fn into_keys(self) -> Vec<Key> {
        self.keys.map(RefCell::into_inner).unwrap_or_default()
    }

    pub(super) fn error(&self, origin: &Origin, message: impl Into<String>) {
        self.error_with(origin, message, None);
    }

    pub(super) fn error_hint(
        &self,
        origin: &Origin,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.error_with(origin, message, Some(hint.into()));
    }

    pub(super) fn error_with(
        &self,
        origin: &Origin,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let error = ConfigError {
            place: self.source.place(origin),
            message: message.into(),
            hint,
        };
        self.errors.borrow_mut().push((origin.clone(), error));
    }

    /// `Err` with all errors in order of place, if there are any.
    pub(super) fn finish(&self) -> Result<(), ConfigErrors> {
        let mut errors = self.errors.take();
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort_by(|a, b| a.0.cmp(&b.0));
        errors.dedup();
        Err(ConfigErrors(
            errors.into_iter().map(|(_, error)| error).collect(),
        ))
    }

    /// A file that a change of must be noticed.
    pub(super) fn remember_file(&self, file: &Path) {
        self.files.borrow_mut().insert(file.to_owned());
    }

    /// A value that did not come from the text.
    pub(super) fn remember_value(&self, value: &str) {
        self.values.borrow_mut().push(value.to_owned());
    }

    pub(super) fn take_files(&self) -> BTreeSet<PathBuf> {
        self.files.take()
    }

    pub(super) fn take_values(&self) -> Vec<String> {
        self.values.take()
    }

    /// Where a secret came from.
    pub(super) fn secret_use(&self, text: &At<&Text>) -> SecretUse {
        let is_variable = matches!(text.origin, Origin::Variable(_));
        let origin = if !text.value.files.is_empty() {
            SecretOrigin::Files(text.value.files.clone())
        } else if is_variable || text.value.raw.is_some() {
            SecretOrigin::Environment
        } else {
            SecretOrigin::Literal
        };
        SecretUse {
            place: self.source.place(&text.origin),
            origin,
        }
    }
}
