-- Sessions, clients, signing keys and revocations. Never change this file once it is released: a store remembers its digest.

CREATE TABLE clients (
    id TEXT NOT NULL PRIMARY KEY,
    -- SHA-256 of its secret; a public client has none.
    secret BLOB CHECK (length(secret) = 32),
    -- JSON: an array of strings.
    scopes TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT FALSE CHECK (disabled IN (FALSE, TRUE)),
    -- Milliseconds since 1970, here and below.
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT;

-- No column is called like one of users, so that both can be read at once.
CREATE TABLE sessions (
    session_id BLOB NOT NULL PRIMARY KEY CHECK (length(session_id) = 16),
    user_id BLOB NOT NULL REFERENCES users (id),
    -- No foreign key: one client has no row.
    client TEXT NOT NULL,
    -- JSON: an array of strings.
    granted TEXT NOT NULL,
    device TEXT NOT NULL,
    address TEXT NOT NULL,
    started INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    -- Without another refresh, and with however many.
    expires INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    ended INTEGER,
    end_reason TEXT,
    -- The refresh token in force, and the one before it: SHA-256, and what they are made from, sealed.
    generation INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    previous_digest BLOB CHECK (length(previous_digest) = 32),
    rotated INTEGER,
    sealed_secret BLOB NOT NULL,
    CHECK ((ended IS NULL) = (end_reason IS NULL))
) STRICT;

CREATE INDEX sessions_of_user ON sessions (user_id, session_id);
CREATE INDEX sessions_of_client ON sessions (client, session_id);
CREATE INDEX sessions_expired ON sessions (expires);
CREATE INDEX sessions_ended ON sessions (ended) WHERE ended IS NOT NULL;

CREATE TABLE signing_keys (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kid TEXT NOT NULL UNIQUE,
    algorithm TEXT NOT NULL,
    public_jwk TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created INTEGER NOT NULL,
    published INTEGER NOT NULL,
    use_from INTEGER NOT NULL,
    retire_at INTEGER NOT NULL,
    gone_at INTEGER NOT NULL
) STRICT;

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- A log: a row is never changed. What later ones make needless is left out.
CREATE TABLE revocations (
    -- AUTOINCREMENT: a number is never used again.
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    issuer TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    -- Seconds since 1970, as tokens have them. Nothing: whenever it was issued; until it is removed.
    issued_until INTEGER,
    kept_until INTEGER,
    -- Takes back whatever has a smaller number, and is kept as long as that would have been.
    removed INTEGER NOT NULL DEFAULT FALSE CHECK (removed IN (FALSE, TRUE))
) STRICT;

CREATE INDEX revocations_of ON revocations (issuer, kind, value);
CREATE INDEX revocations_past ON revocations (kept_until) WHERE kept_until IS NOT NULL;

ALTER TABLE audit ADD COLUMN session_id BLOB;
ALTER TABLE audit ADD COLUMN client TEXT;
ALTER TABLE audit ADD COLUMN address TEXT;
ALTER TABLE audit ADD COLUMN detail TEXT;
