-- Views of what accounts may do (R4, R5, R7), for other programs. They have the
-- same columns and rows on both databases and agree with the decision in
-- src/domain/access, which answers `check`: tests compare them pair by pair.
-- docs/views.md explains them. They are written so that a condition on the
-- account or on the device reaches every part below it, where an index waits.

-- Scopes name tenants and roles by their objects; a Root answers for its tree.
CREATE INDEX object_named ON object (kind, namespace, name);
CREATE INDEX account_role_named ON account_role (namespace, name);
CREATE INDEX tenant_root ON tenant (root_id);
-- Assigns that can be over before anybody has ended them.
CREATE INDEX device_grant_ending ON device_grant (expires_at)
    WHERE mode = 'Assign' AND (object_id IS NULL OR not_before IS NOT NULL OR expires_at IS NOT NULL);

-- the documented operations on devices, as the other views count them
CREATE VIEW device_operation AS
SELECT
    -- one bit for each
    column1 AS bit,
    -- the operation
    column2 AS name FROM (VALUES (1, 'view'), (2, 'operate'), (4, 'manage'), (8, 'share')) AS v;

-- What lies behind an overdue link has ended with it (src/domain/grant/chain.rs).
-- links of device chains whose Assign is over by this database's clock and which no controller has ended yet: from there on nothing counts
CREATE VIEW overdue_link AS
SELECT
    -- the device
    x.device_id,
    -- place in its chain
    x.position,
    -- the Assign whose time is over
    x.grant_id
FROM device_grant AS g JOIN grant_device AS m ON m.grant_id = g.id AND m.state = 'applied'
JOIN device_assignment AS x ON x.device_id = m.device_id AND x.grant_id = g.id
WHERE g.mode = 'Assign' AND (g.object_id IS NULL OR g.not_before IS NOT NULL OR g.expires_at IS NOT NULL)
  AND g.reclaim <> 'Retain' AND (g.object_id IS NULL OR NOT ((g.not_before IS NULL OR g.not_before <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) AND (g.expires_at IS NULL OR g.expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))));

-- devices that have an overdue link, and who holds each of them now; all others are held as the table device says
CREATE VIEW overdue_device AS
SELECT
    -- the device
    late.device_id,
    -- place of the first overdue link
    late.position,
    -- the tenant that holds it; null: nobody
    COALESCE((SELECT x.receiver_tenant FROM device_assignment AS x WHERE x.device_id = d.id AND x.position < late.position ORDER BY x.position DESC LIMIT 1), d.home_tenant) AS holder_tenant,
    -- the account that holds it, if one does
    (SELECT x.receiver_account FROM device_assignment AS x WHERE x.device_id = d.id AND x.position < late.position ORDER BY x.position DESC LIMIT 1) AS holder_account
FROM (SELECT device_id, MIN(position) AS position FROM overdue_link GROUP BY device_id) AS late JOIN device AS d ON d.id = late.device_id;

-- As src/domain/access/sight.rs says. `late` rows are about overdue devices.
-- which devices each account sees by itself, without any Share, whether or not it is enabled; a pair may occur several times
CREATE VIEW device_in_sight AS
SELECT
    -- the account
    e.account_id,
    -- the device
    e.device_id FROM (
    -- what it holds itself
    SELECT c.id AS account_id, d.id AS device_id, 0 AS late
    FROM account AS c JOIN device AS d ON d.holder_account = c.id
    UNION ALL
    -- Basic accounts: what their tenant itself holds
    SELECT c.id, d.id, 0
    FROM account AS c JOIN device AS d ON d.holder_tenant = c.tenant_id
    WHERE c.tier = 'Basic' AND d.holder_account IS NULL AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1)
    UNION ALL
    -- others, without a listed scope: what their tenant and those below hold
    SELECT c.id, d.id, 0
    FROM account AS c JOIN tenant_ancestor AS h ON h.ancestor_id = c.tenant_id JOIN device AS d ON d.holder_tenant = h.tenant_id
    WHERE c.tier <> 'Basic' AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1) AND c.scope IS NULL
    UNION ALL
    -- with one, or under Individual access: what accounts below them hold
    SELECT c.id, d.id, 0
    FROM account AS c JOIN account_ancestor AS m ON m.ancestor_id = c.id JOIN device AS d ON d.holder_account = m.account_id
    JOIN tenant_ancestor AS h ON h.tenant_id = d.holder_tenant AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND (c.scope IS NOT NULL OR (c.tier <> 'Root' AND c.effective->>'individual_access' = 1))
    UNION ALL
    -- what the tenants of a scope and those below hold
    SELECT c.id, d.id, 0
    FROM account AS c JOIN json_each(c.scope, '$.tenants') AS named
    JOIN object AS k ON k.kind = 'Tenant' AND k.namespace = named.value->>'namespace' AND k.name = named.value->>'name'
    JOIN tenant AS s ON s.object_id = k.id JOIN tenant_ancestor AS down ON down.ancestor_id = s.id
    JOIN device AS d ON d.holder_tenant = down.tenant_id
    JOIN tenant_ancestor AS h ON h.tenant_id = d.holder_tenant AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1)
    UNION ALL
    -- what members of the groups of a scope hold
    SELECT c.id, d.id, 0
    FROM account AS c JOIN json_each(c.scope, '$.groups') AS named
    JOIN account_group AS i ON i.name = named.value JOIN account AS o ON o.id = i.account_id AND o.tenant_id = c.tenant_id
    JOIN device AS d ON d.holder_account = o.id
    WHERE c.tier <> 'Basic' AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1)
    UNION ALL
    -- what bearers of the roles of a scope hold
    SELECT c.id, d.id, 0
    FROM account AS c JOIN json_each(c.scope, '$.roles') AS named
    JOIN account_role AS b ON b.namespace = named.value->>'namespace' AND b.name = named.value->>'name'
    JOIN device AS d ON d.holder_account = b.account_id
    JOIN tenant_ancestor AS h ON h.tenant_id = d.holder_tenant AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1)
    UNION ALL
    -- what others share with the groups of a scope
    SELECT c.id, d.id, 0
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
    SELECT c.id, d.device_id, 1
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
WHERE e.late = CASE WHEN EXISTS (SELECT 1 FROM overdue_link AS late WHERE late.device_id = e.device_id) THEN 1 ELSE 0 END;

-- As src/domain/access/reach.rs says; a Share is about what is held in its tenant
-- or below, an Assign about what it has given.
-- the grants in effect that reach an account, for each of their devices, whether or not the account is enabled; a pair may occur several times
CREATE VIEW device_by_grant AS
SELECT
    -- the account
    e.account_id,
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
    e.denies FROM (
    -- grants that name the account
    SELECT c.id AS account_id, d.id AS device_id, 0 AS late, g.id AS grant_id, g.mode AS mode, CASE WHEN COALESCE(json_array_length(g.permissions, '$.allow'), 0) > 0 THEN 1 ELSE 0 END AS any_allow,
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
    SELECT c.id, d.id, 0, g.id, g.mode, CASE WHEN COALESCE(json_array_length(g.permissions, '$.allow'), 0) > 0 THEN 1 ELSE 0 END,
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
    SELECT c.id, d.id, 0, g.id, g.mode, CASE WHEN COALESCE(json_array_length(g.permissions, '$.allow'), 0) > 0 THEN 1 ELSE 0 END,
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
    SELECT c.id, d.device_id, 1, g.id, g.mode, CASE WHEN COALESCE(json_array_length(g.permissions, '$.allow'), 0) > 0 THEN 1 ELSE 0 END,
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
WHERE e.late = CASE WHEN EXISTS (SELECT 1 FROM overdue_link AS late WHERE late.device_id = e.device_id) THEN 1 ELSE 0 END;

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
        SELECT DISTINCT p.account_id, c.username, c.tenant_id, p.device_id, c.tier,
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
            SELECT DISTINCT w.account_id, w.device_id,
                CASE WHEN EXISTS (SELECT 1 FROM overdue_link AS late WHERE late.device_id = w.device_id) THEN (SELECT late.position FROM overdue_device AS late WHERE late.device_id = w.device_id) END AS overdue,
                CASE WHEN EXISTS (SELECT 1 FROM overdue_link AS late WHERE late.device_id = w.device_id) THEN (SELECT late.holder_tenant FROM overdue_device AS late WHERE late.device_id = w.device_id) ELSE d.holder_tenant END AS holder_tenant,
                CASE WHEN EXISTS (SELECT 1 FROM overdue_link AS late WHERE late.device_id = w.device_id) THEN (SELECT late.holder_account FROM overdue_device AS late WHERE late.device_id = w.device_id) ELSE d.holder_account END AS holder_account
            FROM (SELECT account_id, device_id FROM device_in_sight UNION SELECT account_id, device_id FROM device_by_grant) AS w
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
    c.username,
    -- the account whose data it sees
    v.creator_id,
    -- the username of that one
    o.username AS creator_username,
    -- false: not in the sections that Individual access filters, nor its devices
    (NOT (c.tier <> 'Root' AND c.effective->>'individual_access' = 1) OR EXISTS (SELECT 1 FROM account_ancestor AS m WHERE m.account_id = v.creator_id AND m.ancestor_id = v.account_id)) AS in_filtered_sections
FROM (
    -- itself
    SELECT c.id AS account_id, o.id AS creator_id
    FROM account AS c JOIN account AS o ON o.id = c.id
    UNION
    -- without a listed scope everybody in its tenant and below, but for Basic accounts
    SELECT c.id, o.id
    FROM account AS c JOIN tenant_ancestor AS h ON h.ancestor_id = c.tenant_id JOIN account AS o ON o.tenant_id = h.tenant_id
    WHERE c.tier <> 'Basic' AND c.scope IS NULL
    UNION
    -- with one the accounts below it in the managed-by tree
    SELECT c.id, o.id
    FROM account AS c JOIN account_ancestor AS m ON m.ancestor_id = c.id JOIN account AS o ON o.id = m.account_id
    JOIN tenant_ancestor AS h ON h.tenant_id = o.tenant_id AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND c.scope IS NOT NULL
    UNION
    -- everybody in the tenants of its scope
    SELECT c.id, o.id
    FROM account AS c JOIN json_each(c.scope, '$.tenants') AS named
    JOIN object AS k ON k.kind = 'Tenant' AND k.namespace = named.value->>'namespace' AND k.name = named.value->>'name'
    JOIN tenant AS s ON s.object_id = k.id JOIN tenant_ancestor AS down ON down.ancestor_id = s.id
    JOIN account AS o ON o.tenant_id = down.tenant_id
    JOIN tenant_ancestor AS h ON h.tenant_id = o.tenant_id AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND c.scope IS NOT NULL
    UNION
    -- the members of the groups of its scope, which are groups of its own tenant
    SELECT c.id, o.id
    FROM account AS c JOIN json_each(c.scope, '$.groups') AS named
    JOIN account_group AS i ON i.name = named.value JOIN account AS o ON o.id = i.account_id AND o.tenant_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND c.scope IS NOT NULL
    UNION
    -- the bearers of the roles of its scope
    SELECT c.id, o.id
    FROM account AS c JOIN json_each(c.scope, '$.roles') AS named
    JOIN account_role AS b ON b.namespace = named.value->>'namespace' AND b.name = named.value->>'name'
    JOIN account AS o ON o.id = b.account_id
    JOIN tenant_ancestor AS h ON h.tenant_id = o.tenant_id AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND c.scope IS NOT NULL
) AS v
JOIN account AS c ON c.id = v.account_id JOIN account AS o ON o.id = v.creator_id
WHERE c.enabled = 1 AND NOT EXISTS (
    SELECT 1 FROM tenant_ancestor AS up JOIN tenant AS u ON u.id = up.ancestor_id
    WHERE up.tenant_id = c.tenant_id AND NOT (u.enabled = 1 AND u.permitted = 1));

-- the administrative rights that each account has now, one row each
CREATE VIEW account_capabilities AS
SELECT
    -- the account
    v.account_id,
    -- its username, as written
    c.username,
    -- where: its own tenant and below, as far as its scope goes; for ManageSubscription this tenant alone
    v.tenant_id,
    -- path of that tenant
    t.path AS tenant_path,
    -- the right
    v.capability
FROM (
    SELECT c.id AS account_id, c.tenant_id, has.value AS capability FROM account AS c JOIN json_each(c.effective, '$.capabilities') AS has
    UNION ALL
    -- the owner of a tenant
    SELECT c.id, t.id, 'ManageSubscription' FROM tenant AS t JOIN account AS c ON c.tenant_id = t.id AND c.name = t.owner_name
    UNION ALL
    -- the Root, where there is none
    SELECT c.id, t.id, 'ManageSubscription' FROM tenant AS t JOIN account AS c ON c.tenant_id = t.root_id AND c.tier = 'Root'
    WHERE NOT EXISTS (SELECT 1 FROM account AS o WHERE o.tenant_id = t.id AND o.name = t.owner_name)
) AS v
JOIN account AS c ON c.id = v.account_id JOIN tenant AS t ON t.id = v.tenant_id
WHERE c.enabled = 1 AND NOT EXISTS (
    SELECT 1 FROM tenant_ancestor AS up JOIN tenant AS u ON u.id = up.ancestor_id
    WHERE up.tenant_id = c.tenant_id AND NOT (u.enabled = 1 AND u.permitted = 1));
