//! Who may ask: its own Host, no foreign Origin, JSON for POST, a token off loopback.
