//! Every default, with its reason. `tests/documents.rs` holds gateway.toml to them.
