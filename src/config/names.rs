//! The names that tables have.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::{At, Context};
use super::raw::Text;
use super::reader::Reader;
use super::suggest;

/// The names of one kind of table, by index.
pub(super) struct Names {
    kind: &'static str,
    /// A name that means something else.
    reserved: Option<&'static str>,
    indexes: BTreeMap<Arc<str>, usize>,
    count: usize,
}

impl Names {
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            reserved: None,
            indexes: BTreeMap::new(),
            count: 0,
        }
    }

    /// No table of the file may have this name.
    pub(super) fn reserving(self, name: &'static str) -> Self {
        Self {
            reserved: Some(name),
            ..self
        }
    }

    /// Gives the reserved name to what comes next.
    pub(super) fn take_reserved(&mut self) {
        if let Some(name) = self.reserved {
            self.indexes.insert(name.into(), self.count);
            self.count += 1;
        }
    }

    /// Reads `name` of the next table. A wrong one is reported, and some name is returned.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Arc<str> {
        let index = self.count;
        self.count += 1;
        let kind = self.kind;
        let example = format!("write name = \"..\": metrics and logs call the {kind} by it");
        let Some(text) = reader.required_text("name", &example) else {
            return format!("{index}").into();
        };
        let name: Arc<str> = text.value.value.as_str().into();
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        // `none` is the label of requests that reached no route.
        if !name.chars().all(fits) || name.len() > 64 || &*name == "none" {
            let message = format!("`{}` is no name for the {kind}", text.value.shown());
            let hint = "names are up to 64 letters, digits, `-`, `_` and `.`, and not `none`";
            reader.context.error_hint(&text.origin, message, hint);
        }
        if self.reserved == Some(&*name) {
            let message = format!("`{name}` is no name for the {kind}: it means the local issuer");
            let hint = "choose another name";
            reader.context.error_hint(&text.origin, message, hint);
        }
        if self.indexes.contains_key(&name) {
            let message = format!("two {kind}s are named `{name}`");
            reader.context.error(&text.origin, message);
        } else {
            self.indexes.insert(Arc::clone(&name), index);
        }
        name
    }

    /// The index of a name; an unknown one is reported.
    pub(super) fn find(&self, context: &Context<'_>, text: &At<&Text>) -> Option<usize> {
        let found = self.indexes.get(text.value.value.as_str()).copied();
        if found.is_none() {
            let shown = text.value.shown();
            let names: Vec<&str> = self.indexes.keys().map(|name| &**name).collect();
            let message = format!("no {} is named `{shown}`", self.kind);
            let hint = suggest::hint(shown, &names);
            context.error_with(&text.origin, message, hint);
        }
        found
    }

    /// How many tables there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }
}
