-- Signing in: sessions, and how often it failed.

CREATE TABLE session (
    digest     text COLLATE "C" NOT NULL PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    via        text NOT NULL,
    began_at   timestamptz NOT NULL,
    used_at    timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL
);
CREATE INDEX session_account ON session (account_id, began_at);
CREATE INDEX session_ends ON session (ends_at);

CREATE TABLE signin_failure (
    slot         text COLLATE "C" NOT NULL PRIMARY KEY,
    forgotten_at timestamptz NOT NULL
);

COMMENT ON TABLE session IS 'who is signed in';
COMMENT ON COLUMN session.digest IS 'keyed digest of the token, which only the browser has';
COMMENT ON COLUMN session.account_id IS 'whose';
COMMENT ON COLUMN session.via IS 'where it began: pages or v1';
COMMENT ON COLUMN session.began_at IS 'when the person signed in';
COMMENT ON COLUMN session.used_at IS 'when it was last used, to within a minute';
COMMENT ON COLUMN session.ends_at IS 'when it ends, used or not';
COMMENT ON TABLE signin_failure IS 'how often signing in failed lately; at most 65,536 rows for each sort';
COMMENT ON COLUMN signin_failure.slot IS 'an address, a client or a known browser, by part of a keyed digest';
COMMENT ON COLUMN signin_failure.forgotten_at IS 'when all its failures are forgotten';
