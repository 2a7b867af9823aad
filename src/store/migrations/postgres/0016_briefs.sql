-- What a check reads of an account, a tenant and a grant, in tables of few
-- columns: for every relation in a plan PostgreSQL prepares all of its columns,
-- needed or not, and a check has seven of them. Triggers keep these rows,
-- whoever writes what they are made from; nobody writes them.

CREATE TABLE account_brief (
    account_id   uuid PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    username_key text COLLATE "C" NOT NULL UNIQUE,
    email_key    text COLLATE "C" NOT NULL UNIQUE,
    tenant_id    uuid NOT NULL,
    account      text NOT NULL,
    standing     text
);
COMMENT ON TABLE account_brief IS 'kept by triggers: what a check reads of an account';
COMMENT ON COLUMN account_brief.account_id IS 'whose';
COMMENT ON COLUMN account_brief.username_key IS 'account.username_key';
COMMENT ON COLUMN account_brief.email_key IS 'account.email_key';
COMMENT ON COLUMN account_brief.tenant_id IS 'account.tenant_id';
COMMENT ON COLUMN account_brief.account IS '[id, username, tier, enabled, activated, individual access, permissions, scope]';
COMMENT ON COLUMN account_brief.standing IS 'account.standing';

CREATE TABLE tenant_brief (
    tenant_id uuid PRIMARY KEY REFERENCES tenant (id) ON DELETE CASCADE,
    line      text NOT NULL
);
COMMENT ON TABLE tenant_brief IS 'kept by triggers: what a check reads of a tenant';
COMMENT ON COLUMN tenant_brief.tenant_id IS 'which';
COMMENT ON COLUMN tenant_brief.line IS 'tenant.line';

CREATE TABLE grant_brief (
    grant_id   uuid PRIMARY KEY REFERENCES device_grant (id) ON DELETE CASCADE,
    no_devices boolean NOT NULL,
    giving     text NOT NULL
);
COMMENT ON TABLE grant_brief IS 'kept by triggers: what a check reads of a grant';
COMMENT ON COLUMN grant_brief.grant_id IS 'which';
COMMENT ON COLUMN grant_brief.no_devices IS 'a Share that answers questions without a device';
COMMENT ON COLUMN grant_brief.giving IS '[id, managed, tenant, namespace, name, mode, reclaim, permissions, not before, expires at, giver, its tier, receivers]';

CREATE FUNCTION brief_of_account(a account) RETURNS account_brief LANGUAGE sql STABLE AS $$
    SELECT a.id, a.username_key, a.email_key, a.tenant_id,
        json_build_array(a.id, a.username, a.tier, a.enabled::int, (a.activated_at IS NOT NULL)::int,
            (a.effective->'individual_access')::boolean::int, a.permissions, a.scope)::text,
        a.standing::text
$$;
CREATE FUNCTION keep_account_brief() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO account_brief SELECT * FROM brief_of_account(NEW)
        ON CONFLICT (account_id) DO UPDATE SET username_key = excluded.username_key, email_key = excluded.email_key,
            tenant_id = excluded.tenant_id, account = excluded.account, standing = excluded.standing;
    RETURN NULL;
END $$;
CREATE TRIGGER brief_begins AFTER INSERT ON account
    FOR EACH ROW EXECUTE FUNCTION keep_account_brief();
CREATE TRIGGER brief_changes AFTER UPDATE ON account
    FOR EACH ROW WHEN ((NEW.username, NEW.username_key, NEW.email_key, NEW.tenant_id, NEW.tier, NEW.enabled, NEW.activated_at, NEW.effective, NEW.permissions, NEW.scope, NEW.standing::text)
        IS DISTINCT FROM (OLD.username, OLD.username_key, OLD.email_key, OLD.tenant_id, OLD.tier, OLD.enabled, OLD.activated_at, OLD.effective, OLD.permissions, OLD.scope, OLD.standing::text))
    EXECUTE FUNCTION keep_account_brief();

CREATE FUNCTION keep_tenant_brief() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tenant_brief (tenant_id, line) VALUES (NEW.id, NEW.line::text)
        ON CONFLICT (tenant_id) DO UPDATE SET line = excluded.line;
    RETURN NULL;
END $$;
-- It has no line before it has a place.
CREATE TRIGGER brief_begins AFTER INSERT ON tenant
    FOR EACH ROW WHEN (NEW.line IS NOT NULL) EXECUTE FUNCTION keep_tenant_brief();
CREATE TRIGGER brief_changes AFTER UPDATE ON tenant
    FOR EACH ROW WHEN (NEW.line IS NOT NULL AND NEW.line::text IS DISTINCT FROM OLD.line::text)
    EXECUTE FUNCTION keep_tenant_brief();

CREATE FUNCTION brief_of_grant(g device_grant) RETURNS grant_brief LANGUAGE sql STABLE AS $$
    SELECT g.id, g.mode = 'Share' AND g.selection = '{}',
        json_build_array(g.id, (g.object_id IS NOT NULL)::int, g.tenant_id, g.namespace, g.name, g.mode, g.reclaim, g.permissions,
            floor(extract(epoch FROM g.not_before))::bigint, floor(extract(epoch FROM g.expires_at))::bigint,
            g.managed_by, g.giver_tier, g.receivers)::text
$$;
CREATE FUNCTION keep_grant_brief() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO grant_brief SELECT * FROM brief_of_grant(NEW)
        ON CONFLICT (grant_id) DO UPDATE SET no_devices = excluded.no_devices, giving = excluded.giving;
    RETURN NULL;
END $$;
CREATE TRIGGER brief_begins AFTER INSERT ON device_grant
    FOR EACH ROW EXECUTE FUNCTION keep_grant_brief();
CREATE TRIGGER brief_changes AFTER UPDATE ON device_grant
    FOR EACH ROW WHEN ((NEW.object_id, NEW.tenant_id, NEW.namespace, NEW.name, NEW.mode, NEW.selection, NEW.reclaim, NEW.permissions, NEW.not_before, NEW.expires_at, NEW.managed_by, NEW.giver_tier, NEW.receivers::text)
        IS DISTINCT FROM (OLD.object_id, OLD.tenant_id, OLD.namespace, OLD.name, OLD.mode, OLD.selection, OLD.reclaim, OLD.permissions, OLD.not_before, OLD.expires_at, OLD.managed_by, OLD.giver_tier, OLD.receivers::text))
    EXECUTE FUNCTION keep_grant_brief();

-- The grants of a device are read from its index alone.
DROP INDEX grant_device_device;
CREATE INDEX grant_device_device ON grant_device (device_id, state, grant_id);

-- What is there already.
INSERT INTO account_brief SELECT b.* FROM account a CROSS JOIN LATERAL brief_of_account(a) b;
INSERT INTO tenant_brief (tenant_id, line) SELECT id, line::text FROM tenant;
INSERT INTO grant_brief SELECT b.* FROM device_grant g CROSS JOIN LATERAL brief_of_grant(g) b;
