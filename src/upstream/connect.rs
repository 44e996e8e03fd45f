//! Connecting: TCP with `TCP_NODELAY`, TLS for https.
