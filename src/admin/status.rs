//! `/status`: version, generation and hash, issuers with keys, certificates, upstreams, last reload.
