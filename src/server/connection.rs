//! One client connection, from accept to close.
