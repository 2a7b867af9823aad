-- New links are counted as failed attempts to sign in are. What was counted is
-- forgotten within hours, so nothing is carried over.
DROP TABLE signin_failure;

CREATE TABLE throttle (
    slot         text COLLATE "C" NOT NULL PRIMARY KEY,
    forgotten_at timestamptz NOT NULL
);

COMMENT ON TABLE throttle IS 'how often something was tried lately; at most 65,536 rows for each sort';
COMMENT ON COLUMN throttle.slot IS 'what is counted together, by part of a keyed digest: an address, a client, a known browser; or who asks for a new link, and for what';
COMMENT ON COLUMN throttle.forgotten_at IS 'when all of it is forgotten';
