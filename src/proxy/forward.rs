//! Forwarding an admitted request.
