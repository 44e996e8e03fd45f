-- Users, and the trail of who did what. Never change this file once it is released: a store remembers its digest.

-- The present in milliseconds since 1970, under the same name on both databases.
CREATE VIEW clock (now) AS SELECT CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER);

CREATE TABLE users (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    -- As it was written, and what is compared.
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    -- A hash, or nothing: nobody can sign in.
    password TEXT,
    -- JSON: two arrays of strings, an object.
    roles TEXT NOT NULL,
    scopes TEXT NOT NULL,
    claims TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT FALSE CHECK (disabled IN (FALSE, TRUE)),
    -- Milliseconds since 1970.
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    password_changed INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    -- AUTOINCREMENT: a number is never used again.
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    means TEXT NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    -- No foreign key: the trail outlives whom it speaks of.
    user_id BLOB,
    user_name TEXT
) STRICT;

CREATE INDEX audit_of_user ON audit (user_id, number);
