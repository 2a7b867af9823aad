-- The views of migration 9 again, so that a condition on any of their own
-- columns reaches every part below, the username and the tenant as well; and
-- without what made PostgreSQL compile or look again for every row. They agree
-- with the decision in src/domain/access as before, and now with the owner's
-- right, too: a tenant whose owner is named and missing leaves
-- ManageSubscription to nobody.

DROP VIEW effective_device_access;
DROP VIEW visible_creators;
DROP VIEW account_capabilities;
DROP VIEW project_members;
DROP VIEW device_by_grant;
DROP VIEW device_in_sight;

CREATE INDEX account_username ON account (username);

-- Mostly there are none, and then nothing below need be looked for device by device.
-- Assigns whose time is over by this database's clock and which give back what they gave: what no controller has ended yet hangs on them
CREATE VIEW overdue_grant AS
SELECT
    -- the Assign whose time is over
    g.id AS grant_id
FROM device_grant AS g
WHERE g.mode = 'Assign' AND (g.object_id IS NULL OR g.not_before IS NOT NULL OR g.expires_at IS NOT NULL)
  AND g.reclaim <> 'Retain' AND (g.object_id IS NULL OR NOT ((g.not_before IS NULL OR g.not_before <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) AND (g.expires_at IS NULL OR g.expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))));

-- As src/domain/access/sight.rs says. `late` rows are about overdue devices.
-- which devices each account sees by itself, without any Share, whether or not it is enabled; a pair may occur several times
CREATE VIEW device_in_sight AS
SELECT
    -- the account
    e.account_id,
    -- its username, as written
    e.username,
    -- its tenant
    e.tenant_id,
    -- the device
    e.device_id
FROM (
    -- what it holds itself
    SELECT c.id AS account_id, c.username AS username, c.tenant_id AS tenant_id, d.id AS device_id, 0 AS late
    FROM account AS c JOIN device AS d ON d.holder_account = c.id
    UNION ALL
    -- Basic accounts: what their tenant itself holds
    SELECT c.id, c.username, c.tenant_id, d.id, 0
    FROM account AS c JOIN device AS d ON d.holder_tenant = c.tenant_id
    WHERE c.tier = 'Basic' AND d.holder_account IS NULL AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1)
    UNION ALL
    -- others, without a listed scope: what their tenant and those below hold
    SELECT c.id, c.username, c.tenant_id, d.id, 0
    FROM account AS c JOIN tenant_ancestor AS h ON h.ancestor_id = c.tenant_id JOIN device AS d ON d.holder_tenant = h.tenant_id
    WHERE c.tier <> 'Basic' AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1) AND c.scope IS NULL
    UNION ALL
    -- with one, or under Individual access: what accounts below them hold
    SELECT c.id, c.username, c.tenant_id, d.id, 0
    FROM account AS c JOIN account_ancestor AS m ON m.ancestor_id = c.id JOIN device AS d ON d.holder_account = m.account_id
    JOIN tenant_ancestor AS h ON h.tenant_id = d.holder_tenant AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND (c.scope IS NOT NULL OR (c.tier <> 'Root' AND c.effective->>'individual_access' = 1))
    UNION ALL
    -- what the tenants of a scope and those below hold
    SELECT c.id, c.username, c.tenant_id, d.id, 0
    FROM account AS c JOIN json_each(c.scope, '$.tenants') AS named
    JOIN object AS k ON k.kind = 'Tenant' AND k.namespace = named.value->>'namespace' AND k.name = named.value->>'name'
    JOIN tenant AS s ON s.object_id = k.id JOIN tenant_ancestor AS down ON down.ancestor_id = s.id
    JOIN device AS d ON d.holder_tenant = down.tenant_id
    JOIN tenant_ancestor AS h ON h.tenant_id = d.holder_tenant AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1)
    UNION ALL
    -- what members of the groups of a scope hold
    SELECT c.id, c.username, c.tenant_id, d.id, 0
    FROM account AS c JOIN json_each(c.scope, '$.groups') AS named
    JOIN account_group AS i ON i.name = named.value JOIN account AS o ON o.id = i.account_id AND o.tenant_id = c.tenant_id
    JOIN device AS d ON d.holder_account = o.id
    WHERE c.tier <> 'Basic' AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1)
    UNION ALL
    -- what bearers of the roles of a scope hold
    SELECT c.id, c.username, c.tenant_id, d.id, 0
    FROM account AS c JOIN json_each(c.scope, '$.roles') AS named
    JOIN account_role AS b ON b.namespace = named.value->>'namespace' AND b.name = named.value->>'name'
    JOIN device AS d ON d.holder_account = b.account_id
    JOIN tenant_ancestor AS h ON h.tenant_id = d.holder_tenant AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1)
    UNION ALL
    -- what others share with the groups of a scope
    SELECT c.id, c.username, c.tenant_id, d.id, 0
    FROM account AS c JOIN json_each(c.scope, '$.groups') AS named
    JOIN grant_receiver AS r ON r.tenant_id = c.tenant_id AND r.group_name = named.value
    JOIN device_grant AS g ON g.id = r.grant_id JOIN grant_device AS m ON m.grant_id = g.id AND m.state IN ('applied', 'idle')
    JOIN device AS d ON d.id = m.device_id
    JOIN tenant_ancestor AS h ON h.tenant_id = d.holder_tenant AND h.ancestor_id = c.tenant_id
    JOIN tenant_ancestor AS w ON w.tenant_id = d.holder_tenant AND w.ancestor_id = g.tenant_id
    WHERE c.tier <> 'Basic' AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1) AND g.mode = 'Share' AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) AND (g.expires_at IS NULL OR g.expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
      AND COALESCE(json_array_length(g.permissions, '$.allow'), 0) > 0 AND (g.managed_by IS NULL OR g.managed_by <> c.id)
    UNION ALL
    -- any of these, for devices that have not been taken back yet
    SELECT c.id, c.username, c.tenant_id, d.device_id, 1
    FROM overdue_device AS d CROSS JOIN tenant_ancestor AS h ON h.tenant_id = d.holder_tenant JOIN account AS c ON c.tenant_id = h.ancestor_id
    WHERE d.holder_account = c.id OR (c.tier = 'Basic' AND d.holder_account IS NULL AND h.distance = 0 AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1))
       OR (c.tier <> 'Basic' AND (
            (c.scope IS NULL AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1))
            OR EXISTS (SELECT 1 FROM account_ancestor AS m WHERE m.account_id = d.holder_account AND m.ancestor_id = c.id)
            OR (c.scope IS NOT NULL AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1) AND (
                EXISTS (SELECT 1 FROM json_each(c.scope, '$.tenants') AS named JOIN object AS k ON k.kind = 'Tenant' AND k.namespace = named.value->>'namespace' AND k.name = named.value->>'name'
                    JOIN tenant AS s ON s.object_id = k.id JOIN tenant_ancestor AS up ON up.ancestor_id = s.id AND up.tenant_id = d.holder_tenant)
                OR (h.distance = 0 AND EXISTS (SELECT 1 FROM json_each(c.scope, '$.groups') AS named
                    JOIN account_group AS i ON i.name = named.value AND i.account_id = d.holder_account))
                OR EXISTS (SELECT 1 FROM json_each(c.scope, '$.roles') AS named
                    JOIN account_role AS b ON b.namespace = named.value->>'namespace' AND b.name = named.value->>'name' AND b.account_id = d.holder_account)
                OR EXISTS (SELECT 1 FROM json_each(c.scope, '$.groups') AS named
                    JOIN grant_receiver AS r ON r.tenant_id = c.tenant_id AND r.group_name = named.value JOIN device_grant AS g ON g.id = r.grant_id
                    JOIN grant_device AS m ON m.grant_id = g.id AND m.device_id = d.device_id AND m.state IN ('applied', 'idle')
                    JOIN tenant_ancestor AS w ON w.tenant_id = d.holder_tenant AND w.ancestor_id = g.tenant_id
                    WHERE g.mode = 'Share' AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) AND (g.expires_at IS NULL OR g.expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
                      AND COALESCE(json_array_length(g.permissions, '$.allow'), 0) > 0 AND (g.managed_by IS NULL OR g.managed_by <> c.id))))))
) AS e
WHERE e.late = CASE WHEN NOT EXISTS (SELECT 1 FROM overdue_grant) THEN 0 WHEN EXISTS (SELECT 1 FROM overdue_link AS late WHERE late.device_id = e.device_id) THEN 1 ELSE 0 END;

-- As src/domain/access/reach.rs says; a Share is about what is held in its tenant
-- or below, an Assign about what it has given.
-- the grants in effect that reach an account, for each of their devices, whether or not the account is enabled; a pair may occur several times
CREATE VIEW device_by_grant AS
SELECT
    -- the account
    e.account_id,
    -- its username, as written
    e.username,
    -- its tenant
    e.tenant_id,
    -- the device
    e.device_id,
    -- the grant
    e.grant_id,
    -- Assign or Share
    e.mode,
    -- 1 if it has an allow rule about anything: such a Share shows the device
    e.any_allow,
    -- operations that its rules allow, as bits of device_operation
    e.allows,
    -- operations that its rules deny, likewise
    e.denies
FROM (
    -- grants that name the account
    SELECT c.id AS account_id, c.username AS username, c.tenant_id AS tenant_id, d.id AS device_id, 0 AS late, g.id AS grant_id, g.mode AS mode, CASE WHEN COALESCE(json_array_length(g.permissions, '$.allow'), 0) > 0 THEN 1 ELSE 0 END AS any_allow,
        (SELECT COALESCE(SUM(DISTINCT b.bit), 0) FROM json_each(g.permissions, '$.allow') AS rule JOIN device_operation AS b
            WHERE EXISTS (SELECT 1 FROM json_each(rule.value, '$.resources') AS x WHERE x.value IN ('*', 'device', 'device.*'))
              AND EXISTS (SELECT 1 FROM json_each(rule.value, '$.operations') AS x WHERE x.value IN ('*', b.name, b.name || '.*'))) AS allows,
        (SELECT COALESCE(SUM(DISTINCT b.bit), 0) FROM json_each(g.permissions, '$.deny') AS rule JOIN device_operation AS b
            WHERE EXISTS (SELECT 1 FROM json_each(rule.value, '$.resources') AS x WHERE x.value IN ('*', 'device', 'device.*'))
              AND EXISTS (SELECT 1 FROM json_each(rule.value, '$.operations') AS x WHERE x.value IN ('*', b.name, b.name || '.*'))) AS denies
    FROM grant_receiver AS r JOIN account AS c ON c.id = r.account_id
    JOIN device_grant AS g ON g.id = r.grant_id JOIN tenant_ancestor AS a ON a.tenant_id = c.tenant_id AND a.ancestor_id = g.tenant_id
    JOIN grant_device AS m ON m.grant_id = g.id AND m.state IN ('applied', 'idle') JOIN device AS d ON d.id = m.device_id
    WHERE g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) AND (g.expires_at IS NULL OR g.expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
      AND (g.managed_by IS NULL OR (g.mode = 'Share' AND g.managed_by = c.id)
           OR CASE (SELECT giver.tier FROM account AS giver WHERE giver.id = g.managed_by) WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
            > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END)
      AND CASE g.mode WHEN 'Share' THEN EXISTS (SELECT 1 FROM tenant_ancestor AS w WHERE w.tenant_id = d.holder_tenant AND w.ancestor_id = g.tenant_id)
           ELSE EXISTS (SELECT 1 FROM device_assignment AS x WHERE x.device_id = d.id AND x.grant_id = g.id) END
    UNION ALL
    -- grants to a group that it is in
    SELECT c.id, c.username, c.tenant_id, d.id, 0, g.id, g.mode, CASE WHEN COALESCE(json_array_length(g.permissions, '$.allow'), 0) > 0 THEN 1 ELSE 0 END,
        (SELECT COALESCE(SUM(DISTINCT b.bit), 0) FROM json_each(g.permissions, '$.allow') AS rule JOIN device_operation AS b
            WHERE EXISTS (SELECT 1 FROM json_each(rule.value, '$.resources') AS x WHERE x.value IN ('*', 'device', 'device.*'))
              AND EXISTS (SELECT 1 FROM json_each(rule.value, '$.operations') AS x WHERE x.value IN ('*', b.name, b.name || '.*'))),
        (SELECT COALESCE(SUM(DISTINCT b.bit), 0) FROM json_each(g.permissions, '$.deny') AS rule JOIN device_operation AS b
            WHERE EXISTS (SELECT 1 FROM json_each(rule.value, '$.resources') AS x WHERE x.value IN ('*', 'device', 'device.*'))
              AND EXISTS (SELECT 1 FROM json_each(rule.value, '$.operations') AS x WHERE x.value IN ('*', b.name, b.name || '.*')))
    FROM grant_receiver AS r JOIN account AS c ON c.tenant_id = r.tenant_id
    JOIN account_group AS i ON i.account_id = c.id AND i.name = r.group_name
    JOIN device_grant AS g ON g.id = r.grant_id JOIN tenant_ancestor AS a ON a.tenant_id = c.tenant_id AND a.ancestor_id = g.tenant_id
    JOIN grant_device AS m ON m.grant_id = g.id AND m.state IN ('applied', 'idle') JOIN device AS d ON d.id = m.device_id
    WHERE r.account_id IS NULL AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) AND (g.expires_at IS NULL OR g.expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
      AND (g.managed_by IS NULL
           OR CASE (SELECT giver.tier FROM account AS giver WHERE giver.id = g.managed_by) WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
            > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END)
      AND CASE g.mode WHEN 'Share' THEN EXISTS (SELECT 1 FROM tenant_ancestor AS w WHERE w.tenant_id = d.holder_tenant AND w.ancestor_id = g.tenant_id)
           ELSE EXISTS (SELECT 1 FROM device_assignment AS x WHERE x.device_id = d.id AND x.grant_id = g.id) END
    UNION ALL
    -- grants to its tenant
    SELECT c.id, c.username, c.tenant_id, d.id, 0, g.id, g.mode, CASE WHEN COALESCE(json_array_length(g.permissions, '$.allow'), 0) > 0 THEN 1 ELSE 0 END,
        (SELECT COALESCE(SUM(DISTINCT b.bit), 0) FROM json_each(g.permissions, '$.allow') AS rule JOIN device_operation AS b
            WHERE EXISTS (SELECT 1 FROM json_each(rule.value, '$.resources') AS x WHERE x.value IN ('*', 'device', 'device.*'))
              AND EXISTS (SELECT 1 FROM json_each(rule.value, '$.operations') AS x WHERE x.value IN ('*', b.name, b.name || '.*'))),
        (SELECT COALESCE(SUM(DISTINCT b.bit), 0) FROM json_each(g.permissions, '$.deny') AS rule JOIN device_operation AS b
            WHERE EXISTS (SELECT 1 FROM json_each(rule.value, '$.resources') AS x WHERE x.value IN ('*', 'device', 'device.*'))
              AND EXISTS (SELECT 1 FROM json_each(rule.value, '$.operations') AS x WHERE x.value IN ('*', b.name, b.name || '.*')))
    FROM grant_receiver AS r JOIN account AS c ON c.tenant_id = r.tenant_id
    JOIN device_grant AS g ON g.id = r.grant_id JOIN tenant_ancestor AS a ON a.tenant_id = c.tenant_id AND a.ancestor_id = g.tenant_id
    JOIN grant_device AS m ON m.grant_id = g.id AND m.state IN ('applied', 'idle') JOIN device AS d ON d.id = m.device_id
    WHERE r.account_id IS NULL AND r.group_name IS NULL AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) AND (g.expires_at IS NULL OR g.expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
      AND (g.managed_by IS NULL
           OR CASE (SELECT giver.tier FROM account AS giver WHERE giver.id = g.managed_by) WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
            > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END)
      AND CASE g.mode WHEN 'Share' THEN EXISTS (SELECT 1 FROM tenant_ancestor AS w WHERE w.tenant_id = d.holder_tenant AND w.ancestor_id = g.tenant_id)
           ELSE EXISTS (SELECT 1 FROM device_assignment AS x WHERE x.device_id = d.id AND x.grant_id = g.id) END
    UNION ALL
    -- any of these, for devices that have not been taken back yet
    SELECT c.id, c.username, c.tenant_id, d.device_id, 1, g.id, g.mode, CASE WHEN COALESCE(json_array_length(g.permissions, '$.allow'), 0) > 0 THEN 1 ELSE 0 END,
        (SELECT COALESCE(SUM(DISTINCT b.bit), 0) FROM json_each(g.permissions, '$.allow') AS rule JOIN device_operation AS b
            WHERE EXISTS (SELECT 1 FROM json_each(rule.value, '$.resources') AS x WHERE x.value IN ('*', 'device', 'device.*'))
              AND EXISTS (SELECT 1 FROM json_each(rule.value, '$.operations') AS x WHERE x.value IN ('*', b.name, b.name || '.*'))),
        (SELECT COALESCE(SUM(DISTINCT b.bit), 0) FROM json_each(g.permissions, '$.deny') AS rule JOIN device_operation AS b
            WHERE EXISTS (SELECT 1 FROM json_each(rule.value, '$.resources') AS x WHERE x.value IN ('*', 'device', 'device.*'))
              AND EXISTS (SELECT 1 FROM json_each(rule.value, '$.operations') AS x WHERE x.value IN ('*', b.name, b.name || '.*')))
    FROM overdue_device AS d CROSS JOIN grant_device AS m ON m.device_id = d.device_id AND m.state IN ('applied', 'idle') JOIN device_grant AS g ON g.id = m.grant_id
    JOIN tenant_ancestor AS a ON a.ancestor_id = g.tenant_id JOIN account AS c ON c.tenant_id = a.tenant_id
    JOIN grant_receiver AS r ON r.grant_id = g.id AND (r.account_id = c.id OR (r.account_id IS NULL AND r.tenant_id = c.tenant_id AND (r.group_name IS NULL
        OR EXISTS (SELECT 1 FROM account_group AS i WHERE i.account_id = c.id AND i.name = r.group_name))))
    WHERE g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) AND (g.expires_at IS NULL OR g.expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
      AND (g.managed_by IS NULL OR (g.mode = 'Share' AND g.managed_by = r.account_id)
           OR CASE (SELECT giver.tier FROM account AS giver WHERE giver.id = g.managed_by) WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
            > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END)
      AND CASE g.mode WHEN 'Share' THEN EXISTS (SELECT 1 FROM tenant_ancestor AS w WHERE w.tenant_id = d.holder_tenant AND w.ancestor_id = g.tenant_id)
           ELSE EXISTS (SELECT 1 FROM device_assignment AS x WHERE x.device_id = d.device_id AND x.grant_id = g.id AND x.position < d.position) END
) AS e
WHERE e.late = CASE WHEN NOT EXISTS (SELECT 1 FROM overdue_grant) THEN 0 WHEN EXISTS (SELECT 1 FROM overdue_link AS late WHERE late.device_id = e.device_id) THEN 1 ELSE 0 END;

-- As src/domain/access/mod.rs says, for the resource `device`: its rules match by
-- `device`, `device.*` or `*`, operations likewise. Rights are bits until the end.
-- what each account may do with each device now: one row where it may do at least one of the documented operations
CREATE VIEW effective_device_access AS
SELECT
    -- the account
    v.account_id,
    -- its username, as written
    v.username,
    -- its tenant
    v.tenant_id,
    -- the device
    v.device_id,
    -- whether it may view it
    (v.rights & 1) <> 0 AS may_view,
    -- whether it may operate it
    (v.rights & 2) <> 0 AS may_operate,
    -- whether it may manage it
    (v.rights & 4) <> 0 AS may_manage,
    -- whether it may share it
    (v.rights & 8) <> 0 AS may_share
FROM (
    SELECT s.account_id, s.username, s.tenant_id, s.device_id,
        CASE WHEN s.tier = 'Root' THEN 15 * (s.seen | s.shown)
            ELSE (CASE WHEN s.seen = 0 THEN s.given >> 4 WHEN s.everything THEN 15 ELSE s.own | s.given | (s.given >> 4) END)
                & ~(s.own >> 8) & ~(s.given >> 8) & 15 END AS rights
    FROM (
        -- what it is made of, for each pair: rules that allow are the bits 0 to 3
        -- (the account's own, or an Assign's) and 4 to 7 (a Share's), rules that
        -- deny the bits 8 to 11
        SELECT DISTINCT p.account_id, p.username, p.tenant_id, p.device_id, c.tier,
            COALESCE(p.holder_account = c.id
            OR (c.tier = 'Basic' AND p.holder_account IS NULL AND p.holder_tenant = c.tenant_id AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1))
            OR (c.tier <> 'Basic' AND EXISTS (SELECT 1 FROM tenant_ancestor AS h WHERE h.tenant_id = p.holder_tenant AND h.ancestor_id = c.tenant_id) AND (
                (c.scope IS NULL AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1))
                OR EXISTS (SELECT 1 FROM account_ancestor AS m WHERE m.account_id = p.holder_account AND m.ancestor_id = c.id)
                OR (c.scope IS NOT NULL AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1) AND (
                    EXISTS (SELECT 1 FROM json_each(c.scope, '$.tenants') AS named JOIN object AS k ON k.kind = 'Tenant' AND k.namespace = named.value->>'namespace' AND k.name = named.value->>'name'
                        JOIN tenant AS s ON s.object_id = k.id JOIN tenant_ancestor AS up ON up.ancestor_id = s.id AND up.tenant_id = p.holder_tenant)
                    OR (p.holder_tenant = c.tenant_id AND EXISTS (SELECT 1 FROM json_each(c.scope, '$.groups') AS named
                        JOIN account_group AS i ON i.name = named.value AND i.account_id = p.holder_account))
                    OR EXISTS (SELECT 1 FROM json_each(c.scope, '$.roles') AS named
                        JOIN account_role AS b ON b.namespace = named.value->>'namespace' AND b.name = named.value->>'name' AND b.account_id = p.holder_account)
                    OR EXISTS (SELECT 1 FROM grant_device AS m JOIN device_grant AS g ON g.id = m.grant_id
                        JOIN grant_receiver AS r ON r.grant_id = g.id AND r.tenant_id = c.tenant_id
                        JOIN tenant_ancestor AS w ON w.tenant_id = p.holder_tenant AND w.ancestor_id = g.tenant_id
                        WHERE m.device_id = p.device_id AND m.state IN ('applied', 'idle')
                          AND g.mode = 'Share' AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) AND (g.expires_at IS NULL OR g.expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
                          AND COALESCE(json_array_length(g.permissions, '$.allow'), 0) > 0 AND (g.managed_by IS NULL OR g.managed_by <> c.id)
                          AND r.group_name IN (SELECT named.value FROM json_each(c.scope, '$.groups') AS named)))))), 0) AS seen,
            c.tier = 'Root' AND EXISTS (SELECT 1 FROM grant_device AS m JOIN device_grant AS g ON g.id = m.grant_id
            JOIN tenant_ancestor AS a ON a.tenant_id = c.tenant_id AND a.ancestor_id = g.tenant_id
            JOIN grant_receiver AS r ON r.grant_id = g.id AND (r.account_id = c.id OR (r.account_id IS NULL AND r.tenant_id = c.tenant_id AND (r.group_name IS NULL
                OR EXISTS (SELECT 1 FROM account_group AS i WHERE i.account_id = c.id AND i.name = r.group_name))))
            WHERE m.device_id = p.device_id AND m.state IN ('applied', 'idle')
              AND g.mode = 'Share' AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) AND (g.expires_at IS NULL OR g.expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
              AND (g.managed_by IS NULL OR (g.mode = 'Share' AND g.managed_by = r.account_id)
                   OR CASE (SELECT giver.tier FROM account AS giver WHERE giver.id = g.managed_by) WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
                    > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END)
              AND CASE g.mode WHEN 'Share' THEN EXISTS (SELECT 1 FROM tenant_ancestor AS w WHERE w.tenant_id = p.holder_tenant AND w.ancestor_id = g.tenant_id)
                   ELSE EXISTS (SELECT 1 FROM device_assignment AS x WHERE x.device_id = p.device_id AND x.grant_id = g.id AND (p.overdue IS NULL OR x.position < p.overdue)) END
              AND COALESCE(json_array_length(g.permissions, '$.allow'), 0) > 0) AS shown,
            c.tier = 'SuperAdmin' AND NOT COALESCE(json_array_length(c.permissions, '$.allow'), 0) > 0 AND NOT EXISTS (SELECT 1 FROM account_role AS copy WHERE copy.account_id = c.id) AS everything,
            (SELECT COALESCE(SUM(DISTINCT CASE side.key WHEN 'deny' THEN b.bit << 8 ELSE b.bit END), 0)
            FROM (SELECT c.permissions AS rules UNION ALL SELECT copy.content->'permissions' FROM account_role AS copy WHERE copy.account_id = c.id) AS own
            JOIN json_each(own.rules) AS side JOIN json_each(side.value) AS rule JOIN device_operation AS b
            WHERE side.key IN ('allow', 'deny')
              AND EXISTS (SELECT 1 FROM json_each(rule.value, '$.resources') AS x WHERE x.value IN ('*', 'device', 'device.*'))
              AND EXISTS (SELECT 1 FROM json_each(rule.value, '$.operations') AS x WHERE x.value IN ('*', b.name, b.name || '.*'))) AS own,
            (SELECT COALESCE(SUM(DISTINCT CASE WHEN side.key = 'deny' THEN b.bit << 8 WHEN g.mode = 'Share' THEN b.bit << 4 ELSE b.bit END), 0)
            FROM grant_device AS m JOIN device_grant AS g ON g.id = m.grant_id
            JOIN tenant_ancestor AS a ON a.tenant_id = c.tenant_id AND a.ancestor_id = g.tenant_id
            JOIN grant_receiver AS r ON r.grant_id = g.id AND (r.account_id = c.id OR (r.account_id IS NULL AND r.tenant_id = c.tenant_id AND (r.group_name IS NULL
                OR EXISTS (SELECT 1 FROM account_group AS i WHERE i.account_id = c.id AND i.name = r.group_name))))
            JOIN json_each(g.permissions) AS side JOIN json_each(side.value) AS rule JOIN device_operation AS b
            WHERE m.device_id = p.device_id AND m.state IN ('applied', 'idle')
              AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) AND (g.expires_at IS NULL OR g.expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
              AND (g.managed_by IS NULL OR (g.mode = 'Share' AND g.managed_by = r.account_id)
                   OR CASE (SELECT giver.tier FROM account AS giver WHERE giver.id = g.managed_by) WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
                    > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END)
              AND CASE g.mode WHEN 'Share' THEN EXISTS (SELECT 1 FROM tenant_ancestor AS w WHERE w.tenant_id = p.holder_tenant AND w.ancestor_id = g.tenant_id)
                   ELSE EXISTS (SELECT 1 FROM device_assignment AS x WHERE x.device_id = p.device_id AND x.grant_id = g.id AND (p.overdue IS NULL OR x.position < p.overdue)) END AND side.key IN ('allow', 'deny')
              AND EXISTS (SELECT 1 FROM json_each(rule.value, '$.resources') AS x WHERE x.value IN ('*', 'device', 'device.*'))
              AND EXISTS (SELECT 1 FROM json_each(rule.value, '$.operations') AS x WHERE x.value IN ('*', b.name, b.name || '.*'))) AS given
        FROM (
            SELECT DISTINCT w.account_id, w.username, w.tenant_id, w.device_id,
                CASE WHEN EXISTS (SELECT 1 FROM overdue_grant) AND EXISTS (SELECT 1 FROM overdue_link AS late WHERE late.device_id = w.device_id) THEN (SELECT late.position FROM overdue_device AS late WHERE late.device_id = w.device_id) END AS overdue,
                CASE WHEN EXISTS (SELECT 1 FROM overdue_grant) AND EXISTS (SELECT 1 FROM overdue_link AS late WHERE late.device_id = w.device_id) THEN (SELECT late.holder_tenant FROM overdue_device AS late WHERE late.device_id = w.device_id) ELSE d.holder_tenant END AS holder_tenant,
                CASE WHEN EXISTS (SELECT 1 FROM overdue_grant) AND EXISTS (SELECT 1 FROM overdue_link AS late WHERE late.device_id = w.device_id) THEN (SELECT late.holder_account FROM overdue_device AS late WHERE late.device_id = w.device_id) ELSE d.holder_account END AS holder_account
            FROM (SELECT account_id, username, tenant_id, device_id FROM device_in_sight UNION SELECT account_id, username, tenant_id, device_id FROM device_by_grant) AS w
            JOIN device AS d ON d.id = w.device_id
        ) AS p
        JOIN account AS c ON c.id = p.account_id
        WHERE c.enabled = 1 AND NOT EXISTS (
            SELECT 1 FROM tenant_ancestor AS up JOIN tenant AS u ON u.id = up.ancestor_id
            WHERE up.tenant_id = c.tenant_id AND NOT (u.enabled = 1 AND u.permitted = 1))
    ) AS s
) AS v
WHERE v.rights <> 0;

-- whose data each account sees now, itself included
CREATE VIEW visible_creators AS
SELECT
    -- the account that sees
    v.account_id,
    -- its username, as written
    v.username,
    -- the account whose data it sees
    v.creator_id,
    -- the username of that one
    v.creator_username,
    -- false: not in the sections that Individual access filters, nor its devices
    (NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1) OR EXISTS (SELECT 1 FROM account_ancestor AS m WHERE m.account_id = v.creator_id AND m.ancestor_id = v.account_id)) AS in_filtered_sections
FROM (
    -- itself
    SELECT c.id AS account_id, c.username AS username, o.id AS creator_id, o.username AS creator_username
    FROM account AS c JOIN account AS o ON o.id = c.id
    UNION
    -- without a listed scope everybody in its tenant and below, but for Basic accounts
    SELECT c.id, c.username, o.id, o.username
    FROM account AS c JOIN tenant_ancestor AS h ON h.ancestor_id = c.tenant_id JOIN account AS o ON o.tenant_id = h.tenant_id
    WHERE c.tier <> 'Basic' AND c.scope IS NULL
    UNION
    -- with one the accounts below it in the managed-by tree
    SELECT c.id, c.username, o.id, o.username
    FROM account AS c JOIN account_ancestor AS m ON m.ancestor_id = c.id JOIN account AS o ON o.id = m.account_id
    JOIN tenant_ancestor AS h ON h.tenant_id = o.tenant_id AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND c.scope IS NOT NULL
    UNION
    -- everybody in the tenants of its scope
    SELECT c.id, c.username, o.id, o.username
    FROM account AS c JOIN json_each(c.scope, '$.tenants') AS named
    JOIN object AS k ON k.kind = 'Tenant' AND k.namespace = named.value->>'namespace' AND k.name = named.value->>'name'
    JOIN tenant AS s ON s.object_id = k.id JOIN tenant_ancestor AS down ON down.ancestor_id = s.id
    JOIN account AS o ON o.tenant_id = down.tenant_id
    JOIN tenant_ancestor AS h ON h.tenant_id = o.tenant_id AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND c.scope IS NOT NULL
    UNION
    -- the members of the groups of its scope, which are groups of its own tenant
    SELECT c.id, c.username, o.id, o.username
    FROM account AS c JOIN json_each(c.scope, '$.groups') AS named
    JOIN account_group AS i ON i.name = named.value JOIN account AS o ON o.id = i.account_id AND o.tenant_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND c.scope IS NOT NULL
    UNION
    -- the bearers of the roles of its scope
    SELECT c.id, c.username, o.id, o.username
    FROM account AS c JOIN json_each(c.scope, '$.roles') AS named
    JOIN account_role AS b ON b.namespace = named.value->>'namespace' AND b.name = named.value->>'name'
    JOIN account AS o ON o.id = b.account_id
    JOIN tenant_ancestor AS h ON h.tenant_id = o.tenant_id AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND c.scope IS NOT NULL
) AS v
JOIN account AS c ON c.id = v.account_id
WHERE c.enabled = 1 AND NOT EXISTS (
        SELECT 1 FROM tenant_ancestor AS up JOIN tenant AS u ON u.id = up.ancestor_id
        WHERE up.tenant_id = c.tenant_id AND NOT (u.enabled = 1 AND u.permitted = 1));

-- the administrative rights that each account has now, one row each
CREATE VIEW account_capabilities AS
SELECT
    -- the account
    v.account_id,
    -- its username, as written
    v.username,
    -- where: its own tenant and below, as far as its scope goes; for ManageSubscription this tenant alone
    v.tenant_id,
    -- path of that tenant
    v.tenant_path,
    -- the right
    v.capability
FROM (
    SELECT c.id AS account_id, c.username AS username, t.id AS tenant_id, t.path AS tenant_path, has.value AS capability
    FROM account AS c JOIN json_each(c.effective, '$.capabilities') AS has JOIN tenant AS t ON t.id = c.tenant_id
    UNION ALL
    -- the owner of a tenant
    SELECT c.id, c.username, t.id, t.path, 'ManageSubscription' FROM tenant AS t JOIN account AS c ON c.tenant_id = t.id AND c.name = t.owner_name
    UNION ALL
    -- the Root, where none is named: one that is missing keeps the right from everybody
    SELECT c.id, c.username, t.id, t.path, 'ManageSubscription' FROM tenant AS t JOIN account AS c ON c.tenant_id = t.root_id AND c.tier = 'Root'
    WHERE t.owner_name IS NULL
) AS v
JOIN account AS c ON c.id = v.account_id
WHERE c.enabled = 1 AND NOT EXISTS (
        SELECT 1 FROM tenant_ancestor AS up JOIN tenant AS u ON u.id = up.ancestor_id
        WHERE up.tenant_id = c.tenant_id AND NOT (u.enabled = 1 AND u.permitted = 1));

-- As src/domain/access/reach.rs says: a project is a label on the grants of one
-- tenant; its members are the accounts that these grants reach now.
-- who is a member of a project now: one row for each grant of the project and each account that it reaches; enabled or not
CREATE VIEW project_members AS
SELECT DISTINCT
    -- the granting tenant, whose project it is
    m.tenant_id,
    -- its path, for instance /acme/north
    m.tenant_path,
    -- the label of the grant
    m.project,
    -- the member, enabled or not
    m.account_id,
    -- its username, as written
    m.username,
    -- the grant that makes it one
    m.grant_id,
    -- namespace of the grant's resource
    m.grant_namespace,
    -- name of the grant's resource
    m.grant_name,
    -- account, group or tenant: what the grant names
    m.via
FROM (
    -- whom a grant names
    SELECT t.id AS tenant_id, t.path AS tenant_path, g.project AS project, c.id AS account_id, c.username AS username, g.id AS grant_id, g.namespace AS grant_namespace, g.name AS grant_name, 'account' AS via
    FROM device_grant AS g JOIN tenant AS t ON t.id = g.tenant_id JOIN grant_receiver AS r ON r.grant_id = g.id JOIN account AS c ON c.id = r.account_id
    JOIN tenant_ancestor AS a ON a.tenant_id = c.tenant_id AND a.ancestor_id = g.tenant_id LEFT JOIN account AS giver ON giver.id = g.managed_by
    WHERE g.project IS NOT NULL AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) AND (g.expires_at IS NULL OR g.expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
      AND (g.managed_by IS NULL
           OR (g.mode = 'Share' AND c.id = g.managed_by)
           OR CASE giver.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
            > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END)
    UNION ALL
    -- the members of a group that it names
    SELECT t.id, t.path, g.project, c.id, c.username, g.id, g.namespace, g.name, 'group'
    FROM device_grant AS g JOIN tenant AS t ON t.id = g.tenant_id JOIN grant_receiver AS r ON r.grant_id = g.id JOIN account AS c ON c.tenant_id = r.tenant_id
    JOIN account_group AS i ON i.account_id = c.id AND i.name = r.group_name
    JOIN tenant_ancestor AS a ON a.tenant_id = c.tenant_id AND a.ancestor_id = g.tenant_id LEFT JOIN account AS giver ON giver.id = g.managed_by
    WHERE r.account_id IS NULL AND g.project IS NOT NULL AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) AND (g.expires_at IS NULL OR g.expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
      AND (g.managed_by IS NULL
           OR CASE giver.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
            > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END)
    UNION ALL
    -- the accounts of a tenant that it names, none below
    SELECT t.id, t.path, g.project, c.id, c.username, g.id, g.namespace, g.name, 'tenant'
    FROM device_grant AS g JOIN tenant AS t ON t.id = g.tenant_id JOIN grant_receiver AS r ON r.grant_id = g.id JOIN account AS c ON c.tenant_id = r.tenant_id
    JOIN tenant_ancestor AS a ON a.tenant_id = c.tenant_id AND a.ancestor_id = g.tenant_id LEFT JOIN account AS giver ON giver.id = g.managed_by
    WHERE r.account_id IS NULL AND r.group_name IS NULL AND g.project IS NOT NULL AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) AND (g.expires_at IS NULL OR g.expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
      AND (g.managed_by IS NULL
           OR CASE giver.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
            > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END)
) AS m;

-- The triggers of migration 8 in words that SQLite before 3.44 reads, too: other
-- programs open the file with the library that they have, and that one reads
-- the whole schema first.
DROP TRIGGER line_begins;
DROP TRIGGER line_ends;
DROP TRIGGER line_changes;
DROP TRIGGER account_role_standing_begins;
DROP TRIGGER account_role_standing_changes;
DROP TRIGGER account_role_standing_ends;
DROP TRIGGER account_group_standing_begins;
DROP TRIGGER account_group_standing_ends;
DROP TRIGGER account_ancestor_standing_begins;
DROP TRIGGER account_ancestor_standing_ends;
DROP TRIGGER receivers_begin;
DROP TRIGGER receivers_end;
CREATE TRIGGER line_begins AFTER INSERT ON tenant_ancestor BEGIN
    UPDATE tenant SET line = (SELECT json_group_array(json(x.v)) FROM (SELECT json_array(t.id, t.path, t.enabled, t.permitted, o.namespace, o.name) AS v FROM tenant_ancestor a JOIN tenant t ON t.id = a.ancestor_id LEFT JOIN object o ON o.id = t.object_id WHERE a.tenant_id = tenant.id ORDER BY a.distance) AS x) WHERE id = NEW.tenant_id;
END;
CREATE TRIGGER line_ends AFTER DELETE ON tenant_ancestor BEGIN
    UPDATE tenant SET line = (SELECT json_group_array(json(x.v)) FROM (SELECT json_array(t.id, t.path, t.enabled, t.permitted, o.namespace, o.name) AS v FROM tenant_ancestor a JOIN tenant t ON t.id = a.ancestor_id LEFT JOIN object o ON o.id = t.object_id WHERE a.tenant_id = tenant.id ORDER BY a.distance) AS x) WHERE id = OLD.tenant_id;
END;
CREATE TRIGGER line_changes AFTER UPDATE OF path, enabled, permitted, object_id ON tenant
    WHEN NEW.path <> OLD.path OR NEW.enabled <> OLD.enabled OR NEW.permitted <> OLD.permitted OR NEW.object_id IS NOT OLD.object_id BEGIN
    UPDATE tenant SET line = (SELECT json_group_array(json(x.v)) FROM (SELECT json_array(t.id, t.path, t.enabled, t.permitted, o.namespace, o.name) AS v FROM tenant_ancestor a JOIN tenant t ON t.id = a.ancestor_id LEFT JOIN object o ON o.id = t.object_id WHERE a.tenant_id = tenant.id ORDER BY a.distance) AS x) WHERE id IN (SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = NEW.id);
END;
CREATE TRIGGER account_role_standing_begins AFTER INSERT ON account_role BEGIN
    UPDATE account SET standing = json_array(
        (SELECT json_group_array(json(x.v)) FROM (SELECT json_array(r.namespace, r.name, r.revision, json(r.content)) AS v FROM account_role r WHERE r.account_id = account.id ORDER BY r.position, r.namespace, r.name) AS x),
        (SELECT json_group_array(x.v) FROM (SELECT g.name AS v FROM account_group g WHERE g.account_id = account.id ORDER BY g.name) AS x),
        (SELECT json_group_array(x.v) FROM (SELECT a.ancestor_id AS v FROM account_ancestor a WHERE a.account_id = account.id ORDER BY a.distance) AS x)) WHERE id = NEW.account_id;
END;
CREATE TRIGGER account_role_standing_changes AFTER UPDATE ON account_role BEGIN
    UPDATE account SET standing = json_array(
        (SELECT json_group_array(json(x.v)) FROM (SELECT json_array(r.namespace, r.name, r.revision, json(r.content)) AS v FROM account_role r WHERE r.account_id = account.id ORDER BY r.position, r.namespace, r.name) AS x),
        (SELECT json_group_array(x.v) FROM (SELECT g.name AS v FROM account_group g WHERE g.account_id = account.id ORDER BY g.name) AS x),
        (SELECT json_group_array(x.v) FROM (SELECT a.ancestor_id AS v FROM account_ancestor a WHERE a.account_id = account.id ORDER BY a.distance) AS x)) WHERE id = NEW.account_id;
END;
CREATE TRIGGER account_role_standing_ends AFTER DELETE ON account_role BEGIN
    UPDATE account SET standing = json_array(
        (SELECT json_group_array(json(x.v)) FROM (SELECT json_array(r.namespace, r.name, r.revision, json(r.content)) AS v FROM account_role r WHERE r.account_id = account.id ORDER BY r.position, r.namespace, r.name) AS x),
        (SELECT json_group_array(x.v) FROM (SELECT g.name AS v FROM account_group g WHERE g.account_id = account.id ORDER BY g.name) AS x),
        (SELECT json_group_array(x.v) FROM (SELECT a.ancestor_id AS v FROM account_ancestor a WHERE a.account_id = account.id ORDER BY a.distance) AS x)) WHERE id = OLD.account_id;
END;
CREATE TRIGGER account_group_standing_begins AFTER INSERT ON account_group BEGIN
    UPDATE account SET standing = json_array(
        (SELECT json_group_array(json(x.v)) FROM (SELECT json_array(r.namespace, r.name, r.revision, json(r.content)) AS v FROM account_role r WHERE r.account_id = account.id ORDER BY r.position, r.namespace, r.name) AS x),
        (SELECT json_group_array(x.v) FROM (SELECT g.name AS v FROM account_group g WHERE g.account_id = account.id ORDER BY g.name) AS x),
        (SELECT json_group_array(x.v) FROM (SELECT a.ancestor_id AS v FROM account_ancestor a WHERE a.account_id = account.id ORDER BY a.distance) AS x)) WHERE id = NEW.account_id;
END;
CREATE TRIGGER account_group_standing_ends AFTER DELETE ON account_group BEGIN
    UPDATE account SET standing = json_array(
        (SELECT json_group_array(json(x.v)) FROM (SELECT json_array(r.namespace, r.name, r.revision, json(r.content)) AS v FROM account_role r WHERE r.account_id = account.id ORDER BY r.position, r.namespace, r.name) AS x),
        (SELECT json_group_array(x.v) FROM (SELECT g.name AS v FROM account_group g WHERE g.account_id = account.id ORDER BY g.name) AS x),
        (SELECT json_group_array(x.v) FROM (SELECT a.ancestor_id AS v FROM account_ancestor a WHERE a.account_id = account.id ORDER BY a.distance) AS x)) WHERE id = OLD.account_id;
END;
CREATE TRIGGER account_ancestor_standing_begins AFTER INSERT ON account_ancestor BEGIN
    UPDATE account SET standing = json_array(
        (SELECT json_group_array(json(x.v)) FROM (SELECT json_array(r.namespace, r.name, r.revision, json(r.content)) AS v FROM account_role r WHERE r.account_id = account.id ORDER BY r.position, r.namespace, r.name) AS x),
        (SELECT json_group_array(x.v) FROM (SELECT g.name AS v FROM account_group g WHERE g.account_id = account.id ORDER BY g.name) AS x),
        (SELECT json_group_array(x.v) FROM (SELECT a.ancestor_id AS v FROM account_ancestor a WHERE a.account_id = account.id ORDER BY a.distance) AS x)) WHERE id = NEW.account_id;
END;
CREATE TRIGGER account_ancestor_standing_ends AFTER DELETE ON account_ancestor BEGIN
    UPDATE account SET standing = json_array(
        (SELECT json_group_array(json(x.v)) FROM (SELECT json_array(r.namespace, r.name, r.revision, json(r.content)) AS v FROM account_role r WHERE r.account_id = account.id ORDER BY r.position, r.namespace, r.name) AS x),
        (SELECT json_group_array(x.v) FROM (SELECT g.name AS v FROM account_group g WHERE g.account_id = account.id ORDER BY g.name) AS x),
        (SELECT json_group_array(x.v) FROM (SELECT a.ancestor_id AS v FROM account_ancestor a WHERE a.account_id = account.id ORDER BY a.distance) AS x)) WHERE id = OLD.account_id;
END;
CREATE TRIGGER receivers_begin AFTER INSERT ON grant_receiver BEGIN
    UPDATE device_grant SET receivers = (SELECT json_group_array(json(x.v)) FROM (SELECT json_array(r.account_id, r.tenant_id, r.group_name) AS v FROM grant_receiver r WHERE r.grant_id = device_grant.id ORDER BY r.position) AS x) WHERE id = NEW.grant_id;
END;
CREATE TRIGGER receivers_end AFTER DELETE ON grant_receiver BEGIN
    UPDATE device_grant SET receivers = (SELECT json_group_array(json(x.v)) FROM (SELECT json_array(r.account_id, r.tenant_id, r.group_name) AS v FROM grant_receiver r WHERE r.grant_id = device_grant.id ORDER BY r.position) AS x) WHERE id = OLD.grant_id;
END;
