-- Mail servers that tenants name, and what trying them out came to.

CREATE TABLE mail_probe (
    tenant_id     uuid NOT NULL PRIMARY KEY REFERENCES tenant (id) ON DELETE CASCADE,
    target        text COLLATE "C" NOT NULL,
    due_at        timestamptz NOT NULL,
    claimed_by    uuid,
    claimed_until timestamptz,
    failures      bigint NOT NULL,
    reason        text,
    message       text
);
CREATE INDEX mail_probe_due ON mail_probe (due_at);

COMMENT ON TABLE mail_probe IS 'mail servers that tenants name, and what trying them out came to';
COMMENT ON COLUMN mail_probe.tenant_id IS 'the tenant that names the server';
COMMENT ON COLUMN mail_probe.target IS 'digest of the settings that were tried or are to be tried';
COMMENT ON COLUMN mail_probe.due_at IS 'when to try again';
COMMENT ON COLUMN mail_probe.claimed_by IS 'who is trying';
COMMENT ON COLUMN mail_probe.claimed_until IS 'when another may try instead';
COMMENT ON COLUMN mail_probe.failures IS 'how often it failed in a row';
COMMENT ON COLUMN mail_probe.reason IS 'what it came to; null: not tried yet';
COMMENT ON COLUMN mail_probe.message IS 'the same in words, without addresses';
