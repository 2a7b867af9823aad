-- A world for `check`, written without the engine: 1,000 tenants in ten trees of
-- three levels, 20 accounts in each, and :DEVICES: devices, equally many in
-- each of the 900 leaves. Each root assigns the devices of a leaf to it, the
-- leaf assigns a third of its devices to one of its accounts, and shares another
-- tenth with a group; 2,700 grants with devices. Every tenant also shares a
-- section without devices with its accounts: 1,000 more.
CREATE FUNCTION pg_temp.id(kind int, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
    AS $$ SELECT (lpad(to_hex(kind), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$;

-- Tenants 0..9 are roots, 10..99 their children, 100..999 the leaves.
CREATE TEMP TABLE place AS
    SELECT n, CASE WHEN n < 10 THEN NULL WHEN n < 100 THEN n % 10 ELSE 10 + n % 90 END AS parent FROM generate_series(0, 999) AS n;
CREATE TEMP TABLE line AS
    WITH RECURSIVE up AS (
        SELECT n, n AS above, 0 AS distance FROM place
        UNION ALL SELECT up.n, p.parent, up.distance + 1 FROM up JOIN place p ON p.n = up.above WHERE p.parent IS NOT NULL)
    SELECT * FROM up;

INSERT INTO object (id, source, kind, namespace, name, born, generation, applied_generation, verdict)
    SELECT pg_temp.id(k.kind * 16, n), 'bench', k.name, 'ns-' || n % 100, k.prefix || n, '2026-01-01T00:00:00Z', 1, 1, '{}'
    FROM (VALUES (1, 'Tenant', 't', 1000), (2, 'Role', 'r', 30), (3, 'SubAdmin', 'a', 20000), (4, 'DeviceGrant', 'g', 3700)) AS k(kind, name, prefix, many)
    CROSS JOIN LATERAL generate_series(0, k.many - 1) AS n;

INSERT INTO tenant (id, object_id, parent_id, root_id, name, path, display_name, enabled, permitted, allowed_namespaces, account_limits, deletion_policy, created_at)
    SELECT pg_temp.id(1, p.n), pg_temp.id(16, p.n), pg_temp.id(1, p.parent),
        pg_temp.id(1, (SELECT l.above FROM line l WHERE l.n = p.n ORDER BY l.distance DESC LIMIT 1)), 't' || p.n,
        (SELECT string_agg('/t' || l.above, '' ORDER BY l.distance DESC) FROM line l WHERE l.n = p.n), 'Tenant ' || p.n, true, true,
        '"Same"', '{}', 'Refuse', '2026-01-01T00:00:00Z'
    FROM place p ORDER BY p.n;
INSERT INTO tenant_ancestor (tenant_id, ancestor_id, distance)
    SELECT pg_temp.id(1, n), pg_temp.id(1, above), distance FROM line;

-- Account 20 t is the tenant's Root or SuperAdmin, 20 t + 1 its Admin with a
-- listed scope, the others are Basic and managed by that one.
INSERT INTO account (id, object_id, tenant_id, name, username, username_key, email, email_key, tier, enabled, email_verified, activated_at, locale,
        link_lifetime, scope, permissions, effective, deletion_policy, managed_by, created_at)
    SELECT pg_temp.id(3, a), pg_temp.id(48, a), pg_temp.id(1, a / 20), 'a' || a, 'user-' || a, 'user-' || a,
        'user-' || a || '@bench.example', 'user-' || a || '@bench.example',
        CASE WHEN a % 20 = 0 AND a < 200 THEN 'Root' WHEN a % 20 = 0 THEN 'SuperAdmin' WHEN a % 20 = 1 THEN 'Admin' ELSE 'Basic' END,
        true, true, '2026-01-02T00:00:00Z', 'en', 259200,
        CASE WHEN a % 20 = 1 THEN jsonb_build_object('tenants', jsonb_build_array(jsonb_build_object('namespace', 'ns-' || (a / 20) % 100, 'name', 't' || a / 20))) END,
        '{"allow": [{"resources": ["device"], "operations": ["view"]}], "deny": [{"resources": ["device"], "operations": ["share"]}]}',
        '{"capabilities": [], "individual_access": false, "individual_source": "None"}', 'Delete',
        CASE WHEN a % 20 > 1 THEN pg_temp.id(3, a - a % 20 + 1) WHEN a % 20 = 1 THEN pg_temp.id(3, a - 1)
             WHEN a >= 200 THEN pg_temp.id(3, 20 * (SELECT p.parent FROM place p WHERE p.n = a / 20)) END,
        '2026-01-01T00:00:00Z'
    FROM generate_series(0, 19999) AS a ORDER BY a;
INSERT INTO account_ancestor (account_id, ancestor_id, distance)
    WITH RECURSIVE up AS (
        SELECT id, id AS above, 0 AS distance FROM account
        UNION ALL SELECT up.id, c.managed_by, up.distance + 1 FROM up JOIN account c ON c.id = up.above WHERE c.managed_by IS NOT NULL)
    SELECT * FROM up;
INSERT INTO account_group (account_id, name)
    SELECT pg_temp.id(3, a), 'group-' || a % 3 FROM generate_series(0, 19999) AS a WHERE a % 20 > 1;

INSERT INTO role (id, object_id, tenant_id, name, display_name, content, revision, number, propagation, created_at)
    SELECT pg_temp.id(2, r), pg_temp.id(32, r), pg_temp.id(1, r % 10), 'r' || r, 'Role ' || r,
        '{"permissions": {"allow": [{"resources": ["cameras.archive", "dashboard"], "operations": ["view", "operate"]}]}}', 'abcdef012345', 1, 'OnReassign', '2026-01-01T00:00:00Z'
    FROM generate_series(0, 29) AS r;
INSERT INTO account_role (account_id, position, role_id, namespace, name, revision, pinned, content)
    SELECT pg_temp.id(3, a), 0, r.id, 'ns-' || n.root, r.name, r.revision, false, r.content
    FROM generate_series(0, 19999) AS a
    CROSS JOIN LATERAL (SELECT l.above AS root FROM line l WHERE l.n = a / 20 ORDER BY l.distance DESC LIMIT 1) AS n
    JOIN role r ON r.id = pg_temp.id(2, n.root + 10 * (a % 3)) WHERE a % 20 > 0;

INSERT INTO device (id, unit_id, name, labels, home_tenant, holder_tenant, holder_account, created_at)
    SELECT 'device-' || lpad(d::text, 8, '0'), 'unit-' || d, 'Device ' || d, '{}', pg_temp.id(1, l.root), pg_temp.id(1, l.leaf),
        CASE WHEN (d / 900) % 3 = 0 THEN pg_temp.id(3, l.leaf * 20 + 2) END, '2026-01-01T00:00:00Z'
    FROM generate_series(0, :DEVICES: - 1) AS d CROSS JOIN LATERAL (SELECT 100 + d % 900 AS leaf, (10 + (100 + d % 900) % 90) % 10 AS root) AS l;

-- Grants 0..899: a root to a leaf; 900..1799: a leaf to its account; 1800..2699:
-- a leaf to its group; 2700..3699: a tenant to its accounts, without devices.
INSERT INTO device_grant (id, object_id, tenant_id, namespace, name, mode, selection, permissions, reclaim, managed_by, born, created_at)
    SELECT pg_temp.id(4, g), pg_temp.id(64, g), pg_temp.id(1, w.tenant), 'ns-' || g % 100, 'g' || g, w.mode, w.selection::jsonb,
        '{"allow": [{"resources": ["device", "reports.users"], "operations": ["view", "operate"]}]}', 'ReturnToGrantor', pg_temp.id(3, 20 * w.tenant),
        '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'
    FROM generate_series(0, 3699) AS g CROSS JOIN LATERAL (SELECT
        CASE WHEN g < 900 THEN (10 + (100 + g) % 90) % 10 WHEN g < 2700 THEN 100 + g % 900 ELSE g - 2700 END AS tenant,
        CASE WHEN g < 1800 THEN 'Assign' ELSE 'Share' END AS mode,
        CASE WHEN g < 2700 THEN '{"selector": {"labels": {"site": "x"}}}' ELSE '{}' END AS selection) AS w;
INSERT INTO grant_receiver (grant_id, position, tenant_id, account_id, group_name)
    SELECT pg_temp.id(4, g), 0,
        CASE WHEN g < 900 THEN pg_temp.id(1, 100 + g) WHEN g BETWEEN 1800 AND 2699 THEN pg_temp.id(1, 100 + g % 900) WHEN g >= 2700 THEN pg_temp.id(1, g - 2700) END,
        CASE WHEN g BETWEEN 900 AND 1799 THEN pg_temp.id(3, (100 + g % 900) * 20 + 2) END,
        CASE WHEN g BETWEEN 1800 AND 2699 THEN 'group-1' END
    FROM generate_series(0, 3699) AS g;
INSERT INTO grant_device (grant_id, device_id, state)
    SELECT pg_temp.id(4, d % 900), 'device-' || lpad(d::text, 8, '0'), 'applied' FROM generate_series(0, :DEVICES: - 1) AS d
    UNION ALL SELECT pg_temp.id(4, 900 + d % 900), 'device-' || lpad(d::text, 8, '0'), 'applied' FROM generate_series(0, :DEVICES: - 1) AS d WHERE (d / 900) % 3 = 0
    UNION ALL SELECT pg_temp.id(4, 1800 + d % 900), 'device-' || lpad(d::text, 8, '0'), 'applied' FROM generate_series(0, :DEVICES: - 1) AS d WHERE (d / 900) % 10 = 1;
INSERT INTO device_assignment (device_id, position, grant_id, giver_tenant, receiver_tenant, receiver_account)
    SELECT id, 0, pg_temp.id(4, d % 900), pg_temp.id(1, (10 + (100 + d % 900) % 90) % 10), pg_temp.id(1, 100 + d % 900), NULL
        FROM (SELECT d, 'device-' || lpad(d::text, 8, '0') AS id FROM generate_series(0, :DEVICES: - 1) AS d) AS n
    UNION ALL SELECT id, 1, pg_temp.id(4, 900 + d % 900), pg_temp.id(1, 100 + d % 900), pg_temp.id(1, 100 + d % 900), pg_temp.id(3, (100 + d % 900) * 20 + 2)
        FROM (SELECT d, 'device-' || lpad(d::text, 8, '0') AS id FROM generate_series(0, :DEVICES: - 1) AS d) AS n WHERE (d / 900) % 3 = 0;
DROP TABLE place, line;
