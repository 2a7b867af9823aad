-- New links are counted as failed attempts to sign in are. What was counted is
-- forgotten within hours, so nothing is carried over.
DROP TABLE signin_failure;

-- how often something was tried lately; at most 65,536 rows for each sort
CREATE TABLE throttle (
    -- what is counted together, by part of a keyed digest: an address, a client,
    -- a known browser; or who asks for a new link, and for what
    slot         TEXT NOT NULL PRIMARY KEY,
    -- when all of it is forgotten
    forgotten_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
