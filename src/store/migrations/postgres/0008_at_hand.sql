-- What a question about access needs of several tables, at hand in the rows
-- that it looks up anyway: a check is then a handful of index lookups, however
-- much the database holds. Triggers keep these columns, whoever writes what
-- they are made from; nobody writes them.

ALTER TABLE tenant ADD COLUMN line json;
ALTER TABLE account ADD COLUMN standing json;
ALTER TABLE device_grant ADD COLUMN receivers json;
ALTER TABLE device_grant ADD COLUMN giver_tier text;

COMMENT ON COLUMN tenant.line IS 'kept by triggers: itself and all above it, nearest first, each [id, path, enabled, permitted, namespace, name]';
COMMENT ON COLUMN account.standing IS 'kept by triggers: [roles as [namespace, name, revision, content], groups, itself and all above it in the managed-by tree]';
COMMENT ON COLUMN device_grant.receivers IS 'kept by triggers: who receives it, each [account, tenant, group]';
COMMENT ON COLUMN device_grant.giver_tier IS 'kept by triggers: tier of the account that gives; null: the platform gives';

CREATE FUNCTION tenant_line(below uuid) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT json_agg(json_build_array(t.id, t.path, t.enabled::int, t.permitted::int, o.namespace, o.name) ORDER BY a.distance)
        FROM tenant_ancestor a JOIN tenant t ON t.id = a.ancestor_id LEFT JOIN object o ON o.id = t.object_id WHERE a.tenant_id = below);
END $$;

CREATE FUNCTION account_standing(whose uuid) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN json_build_array(
        COALESCE((SELECT json_agg(json_build_array(r.namespace, r.name, r.revision, r.content) ORDER BY r.position, r.namespace, r.name) FROM account_role r WHERE r.account_id = whose), '[]'),
        COALESCE((SELECT json_agg(g.name ORDER BY g.name) FROM account_group g WHERE g.account_id = whose), '[]'),
        COALESCE((SELECT json_agg(a.ancestor_id ORDER BY a.distance) FROM account_ancestor a WHERE a.account_id = whose), '[]'));
END $$;

-- A statement fires once for all of its rows. Each function ends at once when
-- there is nothing to do: what it writes fires triggers, too.
CREATE FUNCTION keep_line_of_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM changed) THEN
        UPDATE tenant SET line = tenant_line(id) WHERE id IN (SELECT tenant_id FROM changed);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER line_begins AFTER INSERT ON tenant_ancestor REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION keep_line_of_moved();
CREATE TRIGGER line_ends AFTER DELETE ON tenant_ancestor REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION keep_line_of_moved();

CREATE FUNCTION keep_lines_below() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed uuid[] := ARRAY(SELECT n.id FROM after_change n JOIN before_change o ON o.id = n.id
        WHERE (n.path, n.enabled, n.permitted, n.object_id) IS DISTINCT FROM (o.path, o.enabled, o.permitted, o.object_id));
BEGIN
    IF cardinality(changed) > 0 THEN
        UPDATE tenant SET line = tenant_line(id) WHERE id IN (SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = ANY (changed));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER line_changes AFTER UPDATE ON tenant REFERENCING OLD TABLE AS before_change NEW TABLE AS after_change
    FOR EACH STATEMENT EXECUTE FUNCTION keep_lines_below();

CREATE FUNCTION keep_standing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM changed) THEN
        UPDATE account SET standing = account_standing(id) WHERE id IN (SELECT account_id FROM changed);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER standing_begins AFTER INSERT ON account_role REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION keep_standing();
CREATE TRIGGER standing_changes AFTER UPDATE ON account_role REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION keep_standing();
CREATE TRIGGER standing_ends AFTER DELETE ON account_role REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION keep_standing();
CREATE TRIGGER standing_begins AFTER INSERT ON account_group REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION keep_standing();
CREATE TRIGGER standing_ends AFTER DELETE ON account_group REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION keep_standing();
CREATE TRIGGER standing_begins AFTER INSERT ON account_ancestor REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION keep_standing();
CREATE TRIGGER standing_ends AFTER DELETE ON account_ancestor REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION keep_standing();

CREATE FUNCTION keep_receivers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM changed) THEN
        UPDATE device_grant g SET receivers = COALESCE((SELECT json_agg(json_build_array(r.account_id, r.tenant_id, r.group_name) ORDER BY r.position)
            FROM grant_receiver r WHERE r.grant_id = g.id), '[]') WHERE g.id IN (SELECT grant_id FROM changed);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER receivers_begin AFTER INSERT ON grant_receiver REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION keep_receivers();
CREATE TRIGGER receivers_end AFTER DELETE ON grant_receiver REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION keep_receivers();

CREATE FUNCTION keep_giver_tier() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.giver_tier := (SELECT tier FROM account WHERE id = NEW.managed_by);
    RETURN NEW;
END $$;
CREATE TRIGGER giver_tier_begins BEFORE INSERT ON device_grant
    FOR EACH ROW EXECUTE FUNCTION keep_giver_tier();
CREATE TRIGGER giver_tier_changes BEFORE UPDATE ON device_grant
    FOR EACH ROW WHEN (NEW.managed_by IS DISTINCT FROM OLD.managed_by) EXECUTE FUNCTION keep_giver_tier();

CREATE FUNCTION keep_tier_given_with() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device_grant SET giver_tier = NEW.tier WHERE managed_by = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER tier_changes AFTER UPDATE OF tier ON account
    FOR EACH ROW WHEN (NEW.tier IS DISTINCT FROM OLD.tier) EXECUTE FUNCTION keep_tier_given_with();

-- What is there already.
UPDATE tenant SET line = tenant_line(id);
UPDATE account SET standing = account_standing(id);
UPDATE device_grant g SET
    receivers = COALESCE((SELECT json_agg(json_build_array(r.account_id, r.tenant_id, r.group_name) ORDER BY r.position) FROM grant_receiver r WHERE r.grant_id = g.id), '[]'),
    giver_tier = (SELECT c.tier FROM account c WHERE c.id = g.managed_by);
