//! `explain`: each step of the decision on a request that nobody sends.

mod command;
mod offline;
mod text;

pub(super) use command::Explain;
pub(super) use text::render;

#[cfg(test)]
mod tests;
