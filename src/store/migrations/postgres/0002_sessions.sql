-- Sessions, clients, signing keys and revocations. Never change this file once it is released: a store remembers its digest.

CREATE TABLE clients (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- SHA-256 of its secret; a public client has none.
    secret BYTEA CHECK (length(secret) = 32),
    -- JSON: an array of strings.
    scopes TEXT NOT NULL,
    disabled BOOLEAN NOT NULL DEFAULT FALSE,
    -- Milliseconds since 1970, here and below.
    created BIGINT NOT NULL,
    changed BIGINT NOT NULL
);

-- No column is called like one of users, so that both can be read at once.
CREATE TABLE sessions (
    session_id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id),
    -- No foreign key: one client has no row.
    client TEXT COLLATE "C" NOT NULL,
    -- JSON: an array of strings.
    granted TEXT NOT NULL,
    device TEXT NOT NULL,
    address TEXT NOT NULL,
    started BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    -- Without another refresh, and with however many.
    expires BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    ended BIGINT,
    end_reason TEXT,
    -- The refresh token in force, and the one before it: SHA-256, and what they are made from, sealed.
    generation BIGINT NOT NULL,
    digest BYTEA NOT NULL CHECK (length(digest) = 32),
    previous_digest BYTEA CHECK (length(previous_digest) = 32),
    rotated BIGINT,
    sealed_secret BYTEA NOT NULL,
    CHECK ((ended IS NULL) = (end_reason IS NULL))
);

CREATE INDEX sessions_of_user ON sessions (user_id, session_id);
CREATE INDEX sessions_of_client ON sessions (client, session_id);
CREATE INDEX sessions_expired ON sessions (expires);
CREATE INDEX sessions_ended ON sessions (ended) WHERE ended IS NOT NULL;

CREATE TABLE signing_keys (
    id UUID NOT NULL PRIMARY KEY,
    kid TEXT COLLATE "C" NOT NULL UNIQUE,
    algorithm TEXT NOT NULL,
    public_jwk TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    created BIGINT NOT NULL,
    published BIGINT NOT NULL,
    use_from BIGINT NOT NULL,
    retire_at BIGINT NOT NULL,
    gone_at BIGINT NOT NULL
);

CREATE TABLE settings (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);

-- A log: a row is never changed. What later ones make needless is left out.
CREATE TABLE revocations (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    -- Seconds since 1970, as tokens have them. Nothing: whenever it was issued; until it is removed.
    issued_until BIGINT,
    kept_until BIGINT,
    -- Takes back whatever has a smaller number, and is kept as long as that would have been.
    removed BOOLEAN NOT NULL DEFAULT FALSE
);

CREATE INDEX revocations_of ON revocations (issuer, kind, value);
CREATE INDEX revocations_past ON revocations (kept_until) WHERE kept_until IS NOT NULL;

-- Whoever listens need not wait for the next look. The server sends it when the change is committed, once for each.
CREATE FUNCTION tell_of_revocations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.pg_notify('portcullis_revocations', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER tell_of_revocations AFTER INSERT ON revocations
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_revocations();

ALTER TABLE audit ADD COLUMN session_id UUID;
ALTER TABLE audit ADD COLUMN client TEXT;
ALTER TABLE audit ADD COLUMN address TEXT;
ALTER TABLE audit ADD COLUMN detail TEXT;
