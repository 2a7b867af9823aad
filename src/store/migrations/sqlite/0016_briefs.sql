-- What a check reads of an account, a tenant and a grant. PostgreSQL keeps it in
-- tables of few columns; here nothing is stored, and it is put together when it
-- is read.

-- account: [id, username, tier, enabled, activated, individual access,
-- permissions, scope]
CREATE VIEW account_brief AS SELECT id AS account_id, username_key, email_key, tenant_id,
    json_array(id, username, tier, enabled, activated_at IS NOT NULL, json_extract(effective, '$.individual_access'),
        json(permissions), json(scope)) AS account,
    standing FROM account;

CREATE VIEW tenant_brief AS SELECT id AS tenant_id, line FROM tenant;

-- no_devices: a Share that answers questions without a device
-- giving: [id, managed, tenant, namespace, name, mode, reclaim, permissions,
-- not before, expires at, giver, its tier, receivers]
CREATE VIEW grant_brief AS SELECT id AS grant_id, mode = 'Share' AND selection = '{}' AS no_devices,
    json_array(id, object_id IS NOT NULL, tenant_id, namespace, name, mode, reclaim, json(permissions),
        CAST(strftime('%s', not_before) AS INTEGER), CAST(strftime('%s', expires_at) AS INTEGER), managed_by, giver_tier, json(receivers)) AS giving
    FROM device_grant;

-- The grants of a device are read from its index alone.
DROP INDEX grant_device_device;
CREATE INDEX grant_device_device ON grant_device (device_id, state, grant_id);
