//! WebSocket: two byte streams joined after the upstream's 101.
