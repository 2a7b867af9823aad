-- Signing in: sessions, and how often it failed.

-- who is signed in
CREATE TABLE session (
    -- keyed digest of the token, which only the browser has
    digest     TEXT NOT NULL PRIMARY KEY,
    -- whose
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- where it began: pages or v1
    via        TEXT NOT NULL,
    -- when the person signed in
    began_at   TEXT NOT NULL,
    -- when it was last used, to within a minute
    used_at    TEXT NOT NULL,
    -- when it ends, used or not
    ends_at    TEXT NOT NULL
) STRICT;
CREATE INDEX session_account ON session (account_id, began_at);
CREATE INDEX session_ends ON session (ends_at);

-- how often signing in failed lately; at most 65,536 rows for each sort
CREATE TABLE signin_failure (
    -- an address, a client or a known browser, by part of a keyed digest
    slot         TEXT NOT NULL PRIMARY KEY,
    -- when all its failures are forgotten
    forgotten_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
