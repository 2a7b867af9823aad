-- What a question about access needs of several tables, at hand in the rows
-- that it looks up anyway: a check is then a handful of index lookups, however
-- much the database holds. Triggers keep these columns, whoever writes what
-- they are made from; nobody writes them.

-- kept by triggers: itself and all above it, nearest first, each
-- [id, path, enabled, permitted, namespace, name]
ALTER TABLE tenant ADD COLUMN line TEXT;
-- kept by triggers: [roles as [namespace, name, revision, content], groups,
-- itself and all above it in the managed-by tree]
ALTER TABLE account ADD COLUMN standing TEXT;
-- kept by triggers: who receives it, each [account, tenant, group]
ALTER TABLE device_grant ADD COLUMN receivers TEXT;
-- kept by triggers: tier of the account that gives; null: the platform gives
ALTER TABLE device_grant ADD COLUMN giver_tier TEXT;

CREATE TRIGGER line_begins AFTER INSERT ON tenant_ancestor BEGIN
    UPDATE tenant SET line = (SELECT json_group_array(json_array(t.id, t.path, t.enabled, t.permitted, o.namespace, o.name) ORDER BY a.distance)
        FROM tenant_ancestor a JOIN tenant t ON t.id = a.ancestor_id LEFT JOIN object o ON o.id = t.object_id WHERE a.tenant_id = tenant.id) WHERE id = NEW.tenant_id;
END;
CREATE TRIGGER line_ends AFTER DELETE ON tenant_ancestor BEGIN
    UPDATE tenant SET line = (SELECT json_group_array(json_array(t.id, t.path, t.enabled, t.permitted, o.namespace, o.name) ORDER BY a.distance)
        FROM tenant_ancestor a JOIN tenant t ON t.id = a.ancestor_id LEFT JOIN object o ON o.id = t.object_id WHERE a.tenant_id = tenant.id) WHERE id = OLD.tenant_id;
END;
CREATE TRIGGER line_changes AFTER UPDATE OF path, enabled, permitted, object_id ON tenant
    WHEN NEW.path <> OLD.path OR NEW.enabled <> OLD.enabled OR NEW.permitted <> OLD.permitted OR NEW.object_id IS NOT OLD.object_id BEGIN
    UPDATE tenant SET line = (SELECT json_group_array(json_array(t.id, t.path, t.enabled, t.permitted, o.namespace, o.name) ORDER BY a.distance)
        FROM tenant_ancestor a JOIN tenant t ON t.id = a.ancestor_id LEFT JOIN object o ON o.id = t.object_id WHERE a.tenant_id = tenant.id) WHERE id IN (SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = NEW.id);
END;

CREATE TRIGGER account_role_standing_begins AFTER INSERT ON account_role BEGIN
    UPDATE account SET standing = json_array(
        (SELECT json_group_array(json_array(r.namespace, r.name, r.revision, json(r.content)) ORDER BY r.position, r.namespace, r.name) FROM account_role r WHERE r.account_id = account.id),
        (SELECT json_group_array(g.name ORDER BY g.name) FROM account_group g WHERE g.account_id = account.id),
        (SELECT json_group_array(a.ancestor_id ORDER BY a.distance) FROM account_ancestor a WHERE a.account_id = account.id)) WHERE id = NEW.account_id;
END;
CREATE TRIGGER account_role_standing_changes AFTER UPDATE ON account_role BEGIN
    UPDATE account SET standing = json_array(
        (SELECT json_group_array(json_array(r.namespace, r.name, r.revision, json(r.content)) ORDER BY r.position, r.namespace, r.name) FROM account_role r WHERE r.account_id = account.id),
        (SELECT json_group_array(g.name ORDER BY g.name) FROM account_group g WHERE g.account_id = account.id),
        (SELECT json_group_array(a.ancestor_id ORDER BY a.distance) FROM account_ancestor a WHERE a.account_id = account.id)) WHERE id = NEW.account_id;
END;
CREATE TRIGGER account_role_standing_ends AFTER DELETE ON account_role BEGIN
    UPDATE account SET standing = json_array(
        (SELECT json_group_array(json_array(r.namespace, r.name, r.revision, json(r.content)) ORDER BY r.position, r.namespace, r.name) FROM account_role r WHERE r.account_id = account.id),
        (SELECT json_group_array(g.name ORDER BY g.name) FROM account_group g WHERE g.account_id = account.id),
        (SELECT json_group_array(a.ancestor_id ORDER BY a.distance) FROM account_ancestor a WHERE a.account_id = account.id)) WHERE id = OLD.account_id;
END;
CREATE TRIGGER account_group_standing_begins AFTER INSERT ON account_group BEGIN
    UPDATE account SET standing = json_array(
        (SELECT json_group_array(json_array(r.namespace, r.name, r.revision, json(r.content)) ORDER BY r.position, r.namespace, r.name) FROM account_role r WHERE r.account_id = account.id),
        (SELECT json_group_array(g.name ORDER BY g.name) FROM account_group g WHERE g.account_id = account.id),
        (SELECT json_group_array(a.ancestor_id ORDER BY a.distance) FROM account_ancestor a WHERE a.account_id = account.id)) WHERE id = NEW.account_id;
END;
CREATE TRIGGER account_group_standing_ends AFTER DELETE ON account_group BEGIN
    UPDATE account SET standing = json_array(
        (SELECT json_group_array(json_array(r.namespace, r.name, r.revision, json(r.content)) ORDER BY r.position, r.namespace, r.name) FROM account_role r WHERE r.account_id = account.id),
        (SELECT json_group_array(g.name ORDER BY g.name) FROM account_group g WHERE g.account_id = account.id),
        (SELECT json_group_array(a.ancestor_id ORDER BY a.distance) FROM account_ancestor a WHERE a.account_id = account.id)) WHERE id = OLD.account_id;
END;
CREATE TRIGGER account_ancestor_standing_begins AFTER INSERT ON account_ancestor BEGIN
    UPDATE account SET standing = json_array(
        (SELECT json_group_array(json_array(r.namespace, r.name, r.revision, json(r.content)) ORDER BY r.position, r.namespace, r.name) FROM account_role r WHERE r.account_id = account.id),
        (SELECT json_group_array(g.name ORDER BY g.name) FROM account_group g WHERE g.account_id = account.id),
        (SELECT json_group_array(a.ancestor_id ORDER BY a.distance) FROM account_ancestor a WHERE a.account_id = account.id)) WHERE id = NEW.account_id;
END;
CREATE TRIGGER account_ancestor_standing_ends AFTER DELETE ON account_ancestor BEGIN
    UPDATE account SET standing = json_array(
        (SELECT json_group_array(json_array(r.namespace, r.name, r.revision, json(r.content)) ORDER BY r.position, r.namespace, r.name) FROM account_role r WHERE r.account_id = account.id),
        (SELECT json_group_array(g.name ORDER BY g.name) FROM account_group g WHERE g.account_id = account.id),
        (SELECT json_group_array(a.ancestor_id ORDER BY a.distance) FROM account_ancestor a WHERE a.account_id = account.id)) WHERE id = OLD.account_id;
END;

CREATE TRIGGER receivers_begin AFTER INSERT ON grant_receiver BEGIN
    UPDATE device_grant SET receivers = (SELECT json_group_array(json_array(r.account_id, r.tenant_id, r.group_name) ORDER BY r.position) FROM grant_receiver r WHERE r.grant_id = device_grant.id) WHERE id = NEW.grant_id;
END;
CREATE TRIGGER receivers_end AFTER DELETE ON grant_receiver BEGIN
    UPDATE device_grant SET receivers = (SELECT json_group_array(json_array(r.account_id, r.tenant_id, r.group_name) ORDER BY r.position) FROM grant_receiver r WHERE r.grant_id = device_grant.id) WHERE id = OLD.grant_id;
END;
CREATE TRIGGER giver_tier_begins AFTER INSERT ON device_grant BEGIN
    UPDATE device_grant SET giver_tier = (SELECT tier FROM account WHERE id = NEW.managed_by) WHERE id = NEW.id;
END;
CREATE TRIGGER giver_tier_changes AFTER UPDATE OF managed_by ON device_grant WHEN NEW.managed_by IS NOT OLD.managed_by BEGIN
    UPDATE device_grant SET giver_tier = (SELECT tier FROM account WHERE id = NEW.managed_by) WHERE id = NEW.id;
END;
CREATE TRIGGER tier_changes AFTER UPDATE OF tier ON account WHEN NEW.tier <> OLD.tier BEGIN
    UPDATE device_grant SET giver_tier = NEW.tier WHERE managed_by = NEW.id;
END;

-- What is there already.
UPDATE tenant SET line = (SELECT json_group_array(json_array(t.id, t.path, t.enabled, t.permitted, o.namespace, o.name) ORDER BY a.distance)
        FROM tenant_ancestor a JOIN tenant t ON t.id = a.ancestor_id LEFT JOIN object o ON o.id = t.object_id WHERE a.tenant_id = tenant.id);
UPDATE account SET standing = json_array(
        (SELECT json_group_array(json_array(r.namespace, r.name, r.revision, json(r.content)) ORDER BY r.position, r.namespace, r.name) FROM account_role r WHERE r.account_id = account.id),
        (SELECT json_group_array(g.name ORDER BY g.name) FROM account_group g WHERE g.account_id = account.id),
        (SELECT json_group_array(a.ancestor_id ORDER BY a.distance) FROM account_ancestor a WHERE a.account_id = account.id));
UPDATE device_grant SET receivers = (SELECT json_group_array(json_array(r.account_id, r.tenant_id, r.group_name) ORDER BY r.position) FROM grant_receiver r WHERE r.grant_id = device_grant.id),
    giver_tier = (SELECT c.tier FROM account c WHERE c.id = device_grant.managed_by);
