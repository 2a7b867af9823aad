-- What a check reads of an account and of a grant, as one column each. Nothing
-- is stored: they are put together when they are read.

-- [id, username, tier, enabled, activated, individual access, permissions,
-- scope, standing]
ALTER TABLE account ADD COLUMN brief TEXT GENERATED ALWAYS AS (
    json_array(id, username, tier, enabled, activated_at IS NOT NULL, json_extract(effective, '$.individual_access'),
        json(permissions), json(scope), json(standing))) VIRTUAL;
-- [id, managed, tenant, namespace, name, mode, reclaim, permissions,
-- not before, expires at, giver, its tier, receivers]
ALTER TABLE device_grant ADD COLUMN brief TEXT GENERATED ALWAYS AS (
    json_array(id, object_id IS NOT NULL, tenant_id, namespace, name, mode, reclaim, json(permissions),
        CAST(strftime('%s', not_before) AS INTEGER), CAST(strftime('%s', expires_at) AS INTEGER), managed_by, giver_tier, json(receivers))) VIRTUAL;
