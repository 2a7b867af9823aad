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
CREATE VIEW overdue_grant AS
SELECT g.id AS grant_id
FROM device_grant AS g
WHERE g.mode = 'Assign' AND (g.object_id IS NULL OR g.not_before IS NOT NULL OR g.expires_at IS NOT NULL)
  AND g.reclaim <> 'Retain' AND (g.object_id IS NULL OR NOT ((g.not_before IS NULL OR g.not_before <= now()) AND (g.expires_at IS NULL OR g.expires_at > now())));

-- Bound to its tables when it is made, and run with the rights of whoever owns
-- them: a reader of the views needs no right to the tables.
CREATE FUNCTION is_overdue(device text) RETURNS int LANGUAGE sql STABLE SECURITY DEFINER COST 1
    RETURN CASE WHEN EXISTS (SELECT 1 FROM overdue_link AS late WHERE late.device_id = device COLLATE "C") THEN 1 ELSE 0 END;
COMMENT ON FUNCTION is_overdue IS '1 if the device has a link in overdue_link';

-- The documented operations on devices in a document of rules, as bits of
-- device_operation: rules that name `device`, `device.*` or `*`.
CREATE FUNCTION device_allows(rules jsonb) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN jsonb_path_exists(rules, '$.allow[*] ? ((@.resources[*] == "*" || @.resources[*] == "device" || @.resources[*] == "device.*") && (@.operations[*] == "*" || @.operations[*] == "view" || @.operations[*] == "view.*"))') THEN 1 ELSE 0 END
        | CASE WHEN jsonb_path_exists(rules, '$.allow[*] ? ((@.resources[*] == "*" || @.resources[*] == "device" || @.resources[*] == "device.*") && (@.operations[*] == "*" || @.operations[*] == "operate" || @.operations[*] == "operate.*"))') THEN 2 ELSE 0 END
        | CASE WHEN jsonb_path_exists(rules, '$.allow[*] ? ((@.resources[*] == "*" || @.resources[*] == "device" || @.resources[*] == "device.*") && (@.operations[*] == "*" || @.operations[*] == "manage" || @.operations[*] == "manage.*"))') THEN 4 ELSE 0 END
        | CASE WHEN jsonb_path_exists(rules, '$.allow[*] ? ((@.resources[*] == "*" || @.resources[*] == "device" || @.resources[*] == "device.*") && (@.operations[*] == "*" || @.operations[*] == "share" || @.operations[*] == "share.*"))') THEN 8 ELSE 0 END;
COMMENT ON FUNCTION device_allows IS 'operations on devices that rules allow, as bits of device_operation';
CREATE FUNCTION device_denies(rules jsonb) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN jsonb_path_exists(rules, '$.deny[*] ? ((@.resources[*] == "*" || @.resources[*] == "device" || @.resources[*] == "device.*") && (@.operations[*] == "*" || @.operations[*] == "view" || @.operations[*] == "view.*"))') THEN 1 ELSE 0 END
        | CASE WHEN jsonb_path_exists(rules, '$.deny[*] ? ((@.resources[*] == "*" || @.resources[*] == "device" || @.resources[*] == "device.*") && (@.operations[*] == "*" || @.operations[*] == "operate" || @.operations[*] == "operate.*"))') THEN 2 ELSE 0 END
        | CASE WHEN jsonb_path_exists(rules, '$.deny[*] ? ((@.resources[*] == "*" || @.resources[*] == "device" || @.resources[*] == "device.*") && (@.operations[*] == "*" || @.operations[*] == "manage" || @.operations[*] == "manage.*"))') THEN 4 ELSE 0 END
        | CASE WHEN jsonb_path_exists(rules, '$.deny[*] ? ((@.resources[*] == "*" || @.resources[*] == "device" || @.resources[*] == "device.*") && (@.operations[*] == "*" || @.operations[*] == "share" || @.operations[*] == "share.*"))') THEN 8 ELSE 0 END;
COMMENT ON FUNCTION device_denies IS 'operations on devices that rules deny, as bits of device_operation';

-- As src/domain/access/sight.rs says. `late` rows are about overdue devices.
CREATE VIEW device_in_sight AS
SELECT e.account_id, e.username, e.tenant_id, e.device_id
FROM (
    -- what it holds itself
    SELECT c.id AS account_id, c.username AS username, c.tenant_id AS tenant_id, d.id AS device_id, 0 AS late
    FROM account AS c JOIN device AS d ON d.holder_account = c.id
    UNION ALL
    -- Basic accounts: what their tenant itself holds
    SELECT c.id, c.username, c.tenant_id, d.id, 0
    FROM account AS c JOIN device AS d ON d.holder_tenant = c.tenant_id
    WHERE c.tier = 'Basic' AND d.holder_account IS NULL AND NOT (c.tier <> 'Root' AND (c.effective->>'individual_access')::boolean)
    UNION ALL
    -- others, without a listed scope: what their tenant and those below hold
    SELECT c.id, c.username, c.tenant_id, d.id, 0
    FROM account AS c JOIN tenant_ancestor AS h ON h.ancestor_id = c.tenant_id JOIN device AS d ON d.holder_tenant = h.tenant_id
    WHERE c.tier <> 'Basic' AND NOT (c.tier <> 'Root' AND (c.effective->>'individual_access')::boolean) AND c.scope IS NULL
    UNION ALL
    -- with one, or under Individual access: what accounts below them hold
    SELECT c.id, c.username, c.tenant_id, d.id, 0
    FROM account AS c JOIN account_ancestor AS m ON m.ancestor_id = c.id JOIN device AS d ON d.holder_account = m.account_id
    JOIN tenant_ancestor AS h ON h.tenant_id = d.holder_tenant AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND (c.scope IS NOT NULL OR (c.tier <> 'Root' AND (c.effective->>'individual_access')::boolean))
    UNION ALL
    -- what the tenants of a scope and those below hold
    SELECT c.id, c.username, c.tenant_id, d.id, 0
    FROM account AS c CROSS JOIN jsonb_array_elements(c.scope->'tenants') AS named(value)
    JOIN object AS k ON k.kind = 'Tenant' AND k.namespace = named.value->>'namespace' AND k.name = named.value->>'name'
    JOIN tenant AS s ON s.object_id = k.id JOIN tenant_ancestor AS down ON down.ancestor_id = s.id
    JOIN device AS d ON d.holder_tenant = down.tenant_id
    JOIN tenant_ancestor AS h ON h.tenant_id = d.holder_tenant AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND NOT (c.tier <> 'Root' AND (c.effective->>'individual_access')::boolean)
    UNION ALL
    -- what members of the groups of a scope hold
    SELECT c.id, c.username, c.tenant_id, d.id, 0
    FROM account AS c CROSS JOIN jsonb_array_elements_text(c.scope->'groups') AS named(value)
    JOIN account_group AS i ON i.name = named.value JOIN account AS o ON o.id = i.account_id AND o.tenant_id = c.tenant_id
    JOIN device AS d ON d.holder_account = o.id
    WHERE c.tier <> 'Basic' AND NOT (c.tier <> 'Root' AND (c.effective->>'individual_access')::boolean)
    UNION ALL
    -- what bearers of the roles of a scope hold
    SELECT c.id, c.username, c.tenant_id, d.id, 0
    FROM account AS c CROSS JOIN jsonb_array_elements(c.scope->'roles') AS named(value)
    JOIN account_role AS b ON b.namespace = named.value->>'namespace' AND b.name = named.value->>'name'
    JOIN device AS d ON d.holder_account = b.account_id
    JOIN tenant_ancestor AS h ON h.tenant_id = d.holder_tenant AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND NOT (c.tier <> 'Root' AND (c.effective->>'individual_access')::boolean)
    UNION ALL
    -- what others share with the groups of a scope
    SELECT c.id, c.username, c.tenant_id, d.id, 0
    FROM account AS c CROSS JOIN jsonb_array_elements_text(c.scope->'groups') AS named(value)
    JOIN grant_receiver AS r ON r.tenant_id = c.tenant_id AND r.group_name = named.value
    JOIN device_grant AS g ON g.id = r.grant_id JOIN grant_device AS m ON m.grant_id = g.id AND m.state IN ('applied', 'idle')
    JOIN device AS d ON d.id = m.device_id
    JOIN tenant_ancestor AS h ON h.tenant_id = d.holder_tenant AND h.ancestor_id = c.tenant_id
    JOIN tenant_ancestor AS w ON w.tenant_id = d.holder_tenant AND w.ancestor_id = g.tenant_id
    WHERE c.tier <> 'Basic' AND NOT (c.tier <> 'Root' AND (c.effective->>'individual_access')::boolean) AND g.mode = 'Share' AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= now()) AND (g.expires_at IS NULL OR g.expires_at > now())
      AND COALESCE(jsonb_array_length(g.permissions->'allow'), 0) > 0 AND (g.managed_by IS NULL OR g.managed_by <> c.id)
    UNION ALL
    -- any of these, for devices that have not been taken back yet
    SELECT c.id, c.username, c.tenant_id, d.device_id, 1
    FROM overdue_device AS d JOIN tenant_ancestor AS h ON h.tenant_id = d.holder_tenant JOIN account AS c ON c.tenant_id = h.ancestor_id
    WHERE d.holder_account = c.id OR (c.tier = 'Basic' AND d.holder_account IS NULL AND h.distance = 0 AND NOT (c.tier <> 'Root' AND (c.effective->>'individual_access')::boolean))
       OR (c.tier <> 'Basic' AND (
            (c.scope IS NULL AND NOT (c.tier <> 'Root' AND (c.effective->>'individual_access')::boolean))
            OR EXISTS (SELECT 1 FROM account_ancestor AS m WHERE m.account_id = d.holder_account AND m.ancestor_id = c.id)
            OR (c.scope IS NOT NULL AND NOT (c.tier <> 'Root' AND (c.effective->>'individual_access')::boolean) AND (
                EXISTS (SELECT 1 FROM jsonb_array_elements(c.scope->'tenants') AS named(value) JOIN object AS k ON k.kind = 'Tenant' AND k.namespace = named.value->>'namespace' AND k.name = named.value->>'name'
                    JOIN tenant AS s ON s.object_id = k.id JOIN tenant_ancestor AS up ON up.ancestor_id = s.id AND up.tenant_id = d.holder_tenant)
                OR (h.distance = 0 AND EXISTS (SELECT 1 FROM jsonb_array_elements_text(c.scope->'groups') AS named(value)
                    JOIN account_group AS i ON i.name = named.value AND i.account_id = d.holder_account))
                OR EXISTS (SELECT 1 FROM jsonb_array_elements(c.scope->'roles') AS named(value)
                    JOIN account_role AS b ON b.namespace = named.value->>'namespace' AND b.name = named.value->>'name' AND b.account_id = d.holder_account)
                OR EXISTS (SELECT 1 FROM jsonb_array_elements_text(c.scope->'groups') AS named(value)
                    JOIN grant_receiver AS r ON r.tenant_id = c.tenant_id AND r.group_name = named.value JOIN device_grant AS g ON g.id = r.grant_id
                    JOIN grant_device AS m ON m.grant_id = g.id AND m.device_id = d.device_id AND m.state IN ('applied', 'idle')
                    JOIN tenant_ancestor AS w ON w.tenant_id = d.holder_tenant AND w.ancestor_id = g.tenant_id
                    WHERE g.mode = 'Share' AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= now()) AND (g.expires_at IS NULL OR g.expires_at > now())
                      AND COALESCE(jsonb_array_length(g.permissions->'allow'), 0) > 0 AND (g.managed_by IS NULL OR g.managed_by <> c.id))))))
) AS e
WHERE e.late = CASE WHEN EXISTS (SELECT 1 FROM overdue_grant) THEN is_overdue(e.device_id) ELSE 0 END;

-- As src/domain/access/reach.rs says; a Share is about what is held in its tenant
-- or below, an Assign about what it has given.
CREATE VIEW device_by_grant AS
SELECT e.account_id, e.username, e.tenant_id, e.device_id, e.grant_id, e.mode, e.any_allow, e.allows, e.denies
FROM (
    -- grants that name the account
    SELECT c.id AS account_id, c.username AS username, c.tenant_id AS tenant_id, d.id AS device_id, 0 AS late, g.id AS grant_id, g.mode AS mode, CASE WHEN COALESCE(jsonb_array_length(g.permissions->'allow'), 0) > 0 THEN 1 ELSE 0 END AS any_allow,
        device_allows(g.permissions) AS allows,
        device_denies(g.permissions) AS denies
    FROM grant_receiver AS r JOIN account AS c ON c.id = r.account_id
    JOIN device_grant AS g ON g.id = r.grant_id JOIN tenant_ancestor AS a ON a.tenant_id = c.tenant_id AND a.ancestor_id = g.tenant_id
    JOIN grant_device AS m ON m.grant_id = g.id AND m.state IN ('applied', 'idle') JOIN device AS d ON d.id = m.device_id
    WHERE g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= now()) AND (g.expires_at IS NULL OR g.expires_at > now())
      AND (g.managed_by IS NULL OR (g.mode = 'Share' AND g.managed_by = c.id)
           OR CASE (SELECT giver.tier FROM account AS giver WHERE giver.id = g.managed_by) WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
            > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END)
      AND CASE g.mode WHEN 'Share' THEN EXISTS (SELECT 1 FROM tenant_ancestor AS w WHERE w.tenant_id = d.holder_tenant AND w.ancestor_id = g.tenant_id)
           ELSE EXISTS (SELECT 1 FROM device_assignment AS x WHERE x.device_id = d.id AND x.grant_id = g.id) END
    UNION ALL
    -- grants to a group that it is in
    SELECT c.id, c.username, c.tenant_id, d.id, 0, g.id, g.mode, CASE WHEN COALESCE(jsonb_array_length(g.permissions->'allow'), 0) > 0 THEN 1 ELSE 0 END,
        device_allows(g.permissions),
        device_denies(g.permissions)
    FROM grant_receiver AS r JOIN account AS c ON c.tenant_id = r.tenant_id
    JOIN account_group AS i ON i.account_id = c.id AND i.name = r.group_name
    JOIN device_grant AS g ON g.id = r.grant_id JOIN tenant_ancestor AS a ON a.tenant_id = c.tenant_id AND a.ancestor_id = g.tenant_id
    JOIN grant_device AS m ON m.grant_id = g.id AND m.state IN ('applied', 'idle') JOIN device AS d ON d.id = m.device_id
    WHERE r.account_id IS NULL AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= now()) AND (g.expires_at IS NULL OR g.expires_at > now())
      AND (g.managed_by IS NULL
           OR CASE (SELECT giver.tier FROM account AS giver WHERE giver.id = g.managed_by) WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
            > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END)
      AND CASE g.mode WHEN 'Share' THEN EXISTS (SELECT 1 FROM tenant_ancestor AS w WHERE w.tenant_id = d.holder_tenant AND w.ancestor_id = g.tenant_id)
           ELSE EXISTS (SELECT 1 FROM device_assignment AS x WHERE x.device_id = d.id AND x.grant_id = g.id) END
    UNION ALL
    -- grants to its tenant
    SELECT c.id, c.username, c.tenant_id, d.id, 0, g.id, g.mode, CASE WHEN COALESCE(jsonb_array_length(g.permissions->'allow'), 0) > 0 THEN 1 ELSE 0 END,
        device_allows(g.permissions),
        device_denies(g.permissions)
    FROM grant_receiver AS r JOIN account AS c ON c.tenant_id = r.tenant_id
    JOIN device_grant AS g ON g.id = r.grant_id JOIN tenant_ancestor AS a ON a.tenant_id = c.tenant_id AND a.ancestor_id = g.tenant_id
    JOIN grant_device AS m ON m.grant_id = g.id AND m.state IN ('applied', 'idle') JOIN device AS d ON d.id = m.device_id
    WHERE r.account_id IS NULL AND r.group_name IS NULL AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= now()) AND (g.expires_at IS NULL OR g.expires_at > now())
      AND (g.managed_by IS NULL
           OR CASE (SELECT giver.tier FROM account AS giver WHERE giver.id = g.managed_by) WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
            > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END)
      AND CASE g.mode WHEN 'Share' THEN EXISTS (SELECT 1 FROM tenant_ancestor AS w WHERE w.tenant_id = d.holder_tenant AND w.ancestor_id = g.tenant_id)
           ELSE EXISTS (SELECT 1 FROM device_assignment AS x WHERE x.device_id = d.id AND x.grant_id = g.id) END
    UNION ALL
    -- any of these, for devices that have not been taken back yet
    SELECT c.id, c.username, c.tenant_id, d.device_id, 1, g.id, g.mode, CASE WHEN COALESCE(jsonb_array_length(g.permissions->'allow'), 0) > 0 THEN 1 ELSE 0 END,
        device_allows(g.permissions),
        device_denies(g.permissions)
    FROM overdue_device AS d JOIN grant_device AS m ON m.device_id = d.device_id AND m.state IN ('applied', 'idle') JOIN device_grant AS g ON g.id = m.grant_id
    JOIN tenant_ancestor AS a ON a.ancestor_id = g.tenant_id JOIN account AS c ON c.tenant_id = a.tenant_id
    JOIN grant_receiver AS r ON r.grant_id = g.id AND (r.account_id = c.id OR (r.account_id IS NULL AND r.tenant_id = c.tenant_id AND (r.group_name IS NULL
        OR EXISTS (SELECT 1 FROM account_group AS i WHERE i.account_id = c.id AND i.name = r.group_name))))
    WHERE g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= now()) AND (g.expires_at IS NULL OR g.expires_at > now())
      AND (g.managed_by IS NULL OR (g.mode = 'Share' AND g.managed_by = r.account_id)
           OR CASE (SELECT giver.tier FROM account AS giver WHERE giver.id = g.managed_by) WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
            > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END)
      AND CASE g.mode WHEN 'Share' THEN EXISTS (SELECT 1 FROM tenant_ancestor AS w WHERE w.tenant_id = d.holder_tenant AND w.ancestor_id = g.tenant_id)
           ELSE EXISTS (SELECT 1 FROM device_assignment AS x WHERE x.device_id = d.device_id AND x.grant_id = g.id AND x.position < d.position) END
) AS e
WHERE e.late = CASE WHEN EXISTS (SELECT 1 FROM overdue_grant) THEN is_overdue(e.device_id) ELSE 0 END;

-- As src/domain/access/mod.rs says, for the resource `device`: its rules match by
-- `device`, `device.*` or `*`, operations likewise. Rights are bits until the end.
CREATE VIEW effective_device_access AS
SELECT v.account_id, v.username, v.tenant_id, v.device_id, (v.rights & 1) <> 0 AS may_view, (v.rights & 2) <> 0 AS may_operate, (v.rights & 4) <> 0 AS may_manage, (v.rights & 8) <> 0 AS may_share
FROM (
    SELECT w.account_id, w.username, w.tenant_id, w.device_id,
        CASE WHEN c.tier = 'Root' THEN 15 * (w.seen | w.shown)
            ELSE (CASE WHEN w.seen = 0 THEN w.shares
                    WHEN c.tier = 'SuperAdmin' AND NOT COALESCE(jsonb_array_length(c.permissions->'allow'), 0) > 0 AND says.roles = 0 THEN 15
                    ELSE w.allows | says.allows END)
                & ~(w.denies | says.denies) END AS rights
    FROM (
        SELECT e.account_id, e.username, e.tenant_id, e.device_id, MAX(e.seen) AS seen, MAX(e.shown) AS shown,
            bit_or(e.shares) AS shares, bit_or(e.allows) AS allows, bit_or(e.denies) AS denies
        FROM (
            SELECT s.account_id, s.username, s.tenant_id, s.device_id, 1 AS seen, 0 AS shown, 0 AS shares, 0 AS allows, 0 AS denies FROM device_in_sight AS s
            UNION ALL
            SELECT g.account_id, g.username, g.tenant_id, g.device_id, 0, CASE WHEN g.mode = 'Share' THEN g.any_allow ELSE 0 END,
                CASE WHEN g.mode = 'Share' THEN g.allows ELSE 0 END, g.allows, g.denies
            FROM device_by_grant AS g
        ) AS e
        GROUP BY e.account_id, e.username, e.tenant_id, e.device_id
    ) AS w
    JOIN account AS c ON c.id = w.account_id
    CROSS JOIN LATERAL (
        SELECT COUNT(*) AS roles,
            device_allows(c.permissions) | COALESCE(bit_or(device_allows(copy.content->'permissions')), 0) AS allows,
            device_denies(c.permissions) | COALESCE(bit_or(device_denies(copy.content->'permissions')), 0) AS denies
        FROM account_role AS copy WHERE copy.account_id = c.id) AS says
    WHERE c.enabled AND NOT EXISTS (
        SELECT 1 FROM tenant_ancestor AS up JOIN tenant AS u ON u.id = up.ancestor_id
        WHERE up.tenant_id = c.tenant_id AND NOT (u.enabled AND u.permitted))
) AS v
WHERE v.rights <> 0;

CREATE VIEW visible_creators AS
SELECT v.account_id, v.username, v.creator_id, v.creator_username, (NOT (c.tier <> 'Root' AND (c.effective->>'individual_access')::boolean) OR EXISTS (SELECT 1 FROM account_ancestor AS m WHERE m.account_id = v.creator_id AND m.ancestor_id = v.account_id)) AS in_filtered_sections
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
    FROM account AS c CROSS JOIN jsonb_array_elements(c.scope->'tenants') AS named(value)
    JOIN object AS k ON k.kind = 'Tenant' AND k.namespace = named.value->>'namespace' AND k.name = named.value->>'name'
    JOIN tenant AS s ON s.object_id = k.id JOIN tenant_ancestor AS down ON down.ancestor_id = s.id
    JOIN account AS o ON o.tenant_id = down.tenant_id
    JOIN tenant_ancestor AS h ON h.tenant_id = o.tenant_id AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND c.scope IS NOT NULL
    UNION
    -- the members of the groups of its scope, which are groups of its own tenant
    SELECT c.id, c.username, o.id, o.username
    FROM account AS c CROSS JOIN jsonb_array_elements_text(c.scope->'groups') AS named(value)
    JOIN account_group AS i ON i.name = named.value JOIN account AS o ON o.id = i.account_id AND o.tenant_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND c.scope IS NOT NULL
    UNION
    -- the bearers of the roles of its scope
    SELECT c.id, c.username, o.id, o.username
    FROM account AS c CROSS JOIN jsonb_array_elements(c.scope->'roles') AS named(value)
    JOIN account_role AS b ON b.namespace = named.value->>'namespace' AND b.name = named.value->>'name'
    JOIN account AS o ON o.id = b.account_id
    JOIN tenant_ancestor AS h ON h.tenant_id = o.tenant_id AND h.ancestor_id = c.tenant_id
    WHERE c.tier <> 'Basic' AND c.scope IS NOT NULL
) AS v
JOIN account AS c ON c.id = v.account_id
WHERE c.enabled AND NOT EXISTS (
        SELECT 1 FROM tenant_ancestor AS up JOIN tenant AS u ON u.id = up.ancestor_id
        WHERE up.tenant_id = c.tenant_id AND NOT (u.enabled AND u.permitted));

CREATE VIEW account_capabilities AS
SELECT v.account_id, v.username, v.tenant_id, v.tenant_path, v.capability
FROM (
    SELECT c.id AS account_id, c.username AS username, t.id AS tenant_id, t.path AS tenant_path, has.value AS capability
    FROM account AS c CROSS JOIN jsonb_array_elements_text(c.effective->'capabilities') AS has(value) JOIN tenant AS t ON t.id = c.tenant_id
    UNION ALL
    -- the owner of a tenant
    SELECT c.id, c.username, t.id, t.path, 'ManageSubscription' FROM tenant AS t JOIN account AS c ON c.tenant_id = t.id AND c.name = t.owner_name
    UNION ALL
    -- the Root, where none is named: one that is missing keeps the right from everybody
    SELECT c.id, c.username, t.id, t.path, 'ManageSubscription' FROM tenant AS t JOIN account AS c ON c.tenant_id = t.root_id AND c.tier = 'Root'
    WHERE t.owner_name IS NULL
) AS v
JOIN account AS c ON c.id = v.account_id
WHERE c.enabled AND NOT EXISTS (
        SELECT 1 FROM tenant_ancestor AS up JOIN tenant AS u ON u.id = up.ancestor_id
        WHERE up.tenant_id = c.tenant_id AND NOT (u.enabled AND u.permitted));

-- As src/domain/access/reach.rs says: a project is a label on the grants of one
-- tenant; its members are the accounts that these grants reach now.
CREATE VIEW project_members AS
SELECT DISTINCT m.tenant_id, m.tenant_path, m.project, m.account_id, m.username, m.grant_id, m.grant_namespace, m.grant_name, m.via
FROM (
    -- whom a grant names
    SELECT t.id AS tenant_id, t.path AS tenant_path, g.project AS project, c.id AS account_id, c.username AS username, g.id AS grant_id, g.namespace AS grant_namespace, g.name AS grant_name, 'account' AS via
    FROM device_grant AS g JOIN tenant AS t ON t.id = g.tenant_id JOIN grant_receiver AS r ON r.grant_id = g.id JOIN account AS c ON c.id = r.account_id
    JOIN tenant_ancestor AS a ON a.tenant_id = c.tenant_id AND a.ancestor_id = g.tenant_id LEFT JOIN account AS giver ON giver.id = g.managed_by
    WHERE g.project IS NOT NULL AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= now()) AND (g.expires_at IS NULL OR g.expires_at > now())
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
    WHERE r.account_id IS NULL AND g.project IS NOT NULL AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= now()) AND (g.expires_at IS NULL OR g.expires_at > now())
      AND (g.managed_by IS NULL
           OR CASE giver.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
            > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END)
    UNION ALL
    -- the accounts of a tenant that it names, none below
    SELECT t.id, t.path, g.project, c.id, c.username, g.id, g.namespace, g.name, 'tenant'
    FROM device_grant AS g JOIN tenant AS t ON t.id = g.tenant_id JOIN grant_receiver AS r ON r.grant_id = g.id JOIN account AS c ON c.tenant_id = r.tenant_id
    JOIN tenant_ancestor AS a ON a.tenant_id = c.tenant_id AND a.ancestor_id = g.tenant_id LEFT JOIN account AS giver ON giver.id = g.managed_by
    WHERE r.account_id IS NULL AND r.group_name IS NULL AND g.project IS NOT NULL AND g.object_id IS NOT NULL AND (g.not_before IS NULL OR g.not_before <= now()) AND (g.expires_at IS NULL OR g.expires_at > now())
      AND (g.managed_by IS NULL
           OR CASE giver.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
            > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END)
) AS m;

COMMENT ON VIEW overdue_grant IS 'Assigns whose time is over by this database''s clock and which give back what they gave: what no controller has ended yet hangs on them';
COMMENT ON COLUMN overdue_grant.grant_id IS 'the Assign whose time is over';
COMMENT ON VIEW device_in_sight IS 'which devices each account sees by itself, without any Share, whether or not it is enabled; a pair may occur several times';
COMMENT ON COLUMN device_in_sight.account_id IS 'the account';
COMMENT ON COLUMN device_in_sight.username IS 'its username, as written';
COMMENT ON COLUMN device_in_sight.tenant_id IS 'its tenant';
COMMENT ON COLUMN device_in_sight.device_id IS 'the device';
COMMENT ON VIEW device_by_grant IS 'the grants in effect that reach an account, for each of their devices, whether or not the account is enabled; a pair may occur several times';
COMMENT ON COLUMN device_by_grant.account_id IS 'the account';
COMMENT ON COLUMN device_by_grant.username IS 'its username, as written';
COMMENT ON COLUMN device_by_grant.tenant_id IS 'its tenant';
COMMENT ON COLUMN device_by_grant.device_id IS 'the device';
COMMENT ON COLUMN device_by_grant.grant_id IS 'the grant';
COMMENT ON COLUMN device_by_grant.mode IS 'Assign or Share';
COMMENT ON COLUMN device_by_grant.any_allow IS '1 if it has an allow rule about anything: such a Share shows the device';
COMMENT ON COLUMN device_by_grant.allows IS 'operations that its rules allow, as bits of device_operation';
COMMENT ON COLUMN device_by_grant.denies IS 'operations that its rules deny, likewise';
COMMENT ON VIEW effective_device_access IS 'what each account may do with each device now: one row where it may do at least one of the documented operations';
COMMENT ON COLUMN effective_device_access.account_id IS 'the account';
COMMENT ON COLUMN effective_device_access.username IS 'its username, as written';
COMMENT ON COLUMN effective_device_access.tenant_id IS 'its tenant';
COMMENT ON COLUMN effective_device_access.device_id IS 'the device';
COMMENT ON COLUMN effective_device_access.may_view IS 'whether it may view it';
COMMENT ON COLUMN effective_device_access.may_operate IS 'whether it may operate it';
COMMENT ON COLUMN effective_device_access.may_manage IS 'whether it may manage it';
COMMENT ON COLUMN effective_device_access.may_share IS 'whether it may share it';
COMMENT ON VIEW visible_creators IS 'whose data each account sees now, itself included';
COMMENT ON COLUMN visible_creators.account_id IS 'the account that sees';
COMMENT ON COLUMN visible_creators.username IS 'its username, as written';
COMMENT ON COLUMN visible_creators.creator_id IS 'the account whose data it sees';
COMMENT ON COLUMN visible_creators.creator_username IS 'the username of that one';
COMMENT ON COLUMN visible_creators.in_filtered_sections IS 'false: not in the sections that Individual access filters, nor its devices';
COMMENT ON VIEW account_capabilities IS 'the administrative rights that each account has now, one row each';
COMMENT ON COLUMN account_capabilities.account_id IS 'the account';
COMMENT ON COLUMN account_capabilities.username IS 'its username, as written';
COMMENT ON COLUMN account_capabilities.tenant_id IS 'where: its own tenant and below, as far as its scope goes; for ManageSubscription this tenant alone';
COMMENT ON COLUMN account_capabilities.tenant_path IS 'path of that tenant';
COMMENT ON COLUMN account_capabilities.capability IS 'the right';
COMMENT ON VIEW project_members IS 'who is a member of a project now: one row for each grant of the project and each account that it reaches; enabled or not';
COMMENT ON COLUMN project_members.tenant_id IS 'the granting tenant, whose project it is';
COMMENT ON COLUMN project_members.tenant_path IS 'its path, for instance /acme/north';
COMMENT ON COLUMN project_members.project IS 'the label of the grant';
COMMENT ON COLUMN project_members.account_id IS 'the member, enabled or not';
COMMENT ON COLUMN project_members.username IS 'its username, as written';
COMMENT ON COLUMN project_members.grant_id IS 'the grant that makes it one';
COMMENT ON COLUMN project_members.grant_namespace IS 'namespace of the grant''s resource';
COMMENT ON COLUMN project_members.grant_name IS 'name of the grant''s resource';
COMMENT ON COLUMN project_members.via IS 'account, group or tenant: what the grant names';
