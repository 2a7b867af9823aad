-- Mail servers that tenants name, and what trying them out came to.

-- mail servers that tenants name, and what trying them out came to
CREATE TABLE mail_probe (
    -- the tenant that names the server
    tenant_id     TEXT NOT NULL PRIMARY KEY REFERENCES tenant (id) ON DELETE CASCADE,
    -- digest of the settings that were tried or are to be tried
    target        TEXT NOT NULL,
    -- when to try again
    due_at        TEXT NOT NULL,
    -- who is trying
    claimed_by    TEXT,
    -- when another may try instead
    claimed_until TEXT,
    -- how often it failed in a row
    failures      INTEGER NOT NULL,
    -- what it came to; null: not tried yet
    reason        TEXT,
    -- the same in words, without addresses
    message       TEXT
) STRICT;
CREATE INDEX mail_probe_due ON mail_probe (due_at);
