//! What was typed: one struct for each table, unknown keys refused, nothing interpreted.
