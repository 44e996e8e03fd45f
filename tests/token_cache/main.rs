//! The token cache changes what a decision costs, and nothing else.

mod cache_and_budget;
mod cache_equals_no_cache;
mod cache_memory;
mod cache_regressions;
mod fetched_keys;
mod world;
