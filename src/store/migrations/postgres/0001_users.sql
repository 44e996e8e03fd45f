-- Users, and the trail of who did what. Never change this file once it is released: a store remembers its digest.

-- The present in milliseconds since 1970, under the same name on both databases.
CREATE VIEW clock (now) AS SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;

CREATE TABLE users (
    id UUID NOT NULL PRIMARY KEY,
    -- As it was written, and what is compared: byte by byte, whatever the locale of the database.
    name TEXT NOT NULL,
    name_key TEXT COLLATE "C" NOT NULL UNIQUE,
    -- A hash, or nothing: nobody can sign in.
    password TEXT,
    -- JSON: two arrays of strings, an object.
    roles TEXT NOT NULL,
    scopes TEXT NOT NULL,
    claims TEXT NOT NULL,
    disabled BOOLEAN NOT NULL DEFAULT FALSE,
    -- Milliseconds since 1970.
    created BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    password_changed BIGINT NOT NULL
);

CREATE TABLE audit (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    means TEXT NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    -- No foreign key: the trail outlives whom it speaks of.
    user_id UUID,
    user_name TEXT
);

CREATE INDEX audit_of_user ON audit (user_id, number);
