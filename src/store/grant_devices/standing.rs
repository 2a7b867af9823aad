//! The common beginning of the statements about a grant's devices: which those
//! are, where each stands, and what is true of it. Only [`super`] uses this.

// $1 the grant, $2 its tenant, $3 the account that gives, or null, $4 ids,
// $5 unit ids, $6 requirements on labels, $7 whether labels or `all` select,
// $8 Assign or Share, $9 whether holders matter, $10 whether the giver sees less
// than everything there, $11 to $17 what it sees then (`sight`).
//
// `wanted`: the ids named, and what units and selection find. `feeding`:
// devices that another Assign of the same tenant claims for the account that
// gives; it gives those itself, and the tenant does not in its name. `facts`:
// where the giver stands in the chain of each (the account first, else the
// tenant; what stands behind the grant's own link does not count), and
// `reachable`: THE place where it is decided whether a device is within reach.
// `keyed`: each device with its standing as one text.
macro_rules! keyed {
    (postgres, $rest:literal) => {
        concat!(
            "WITH wanted AS (
                SELECT value COLLATE \"C\" AS id, 1 AS named FROM jsonb_array_elements_text($4)
                UNION ALL
                SELECT s.id, 0 FROM (
                    SELECT d.id FROM jsonb_array_elements_text($5) u(value) JOIN device d ON d.unit_id = u.value
                    UNION SELECT d.id FROM (
                        SELECT id FROM device WHERE $7 AND $8 = 'Assign' AND home_tenant = $2
                        UNION SELECT g.device_id FROM grant_receiver r JOIN grant_device m ON m.grant_id = r.grant_id
                            JOIN device_assignment g ON g.device_id = m.device_id AND g.grant_id = r.grant_id AND g.receiver_account IS NULL
                            WHERE $7 AND $8 = 'Assign' AND r.tenant_id = $2 AND g.receiver_tenant = $2
                        UNION SELECT device_id FROM device_assignment WHERE $7 AND $8 = 'Assign' AND grant_id IS NULL AND receiver_tenant = $2 AND receiver_account IS NULL
                        UNION SELECT device_id FROM device_assignment WHERE $7 AND $8 = 'Assign' AND receiver_account = $3::uuid
                        UNION SELECT h.id FROM tenant_ancestor a JOIN device h ON h.holder_tenant = a.tenant_id WHERE $7 AND $8 = 'Share' AND a.ancestor_id = $2
                    ) AS near JOIN device d ON d.id = near.id
                    WHERE NOT EXISTS (SELECT 1 FROM jsonb_array_elements($6) r WHERE (r.value->>'operator' IN ('In', 'Exists')) <> EXISTS (
                        SELECT 1 FROM jsonb_each_text(d.labels) l WHERE l.key = r.value->>'key'
                            AND (r.value->>'operator' IN ('Exists', 'DoesNotExist') OR jsonb_exists(r.value->'values', l.value))))
                ) AS s WHERE s.id NOT IN (SELECT jsonb_array_elements_text($4))
            ), chains AS (
                SELECT w.id, w.named, d.id AS device, d.holder_tenant, d.holder_account,
                    MIN(x.position) FILTER (WHERE x.grant_id = $1) AS own,
                    MIN(x.position + 1) FILTER (WHERE x.receiver_account = $3::uuid) AS by_account,
                    CASE WHEN d.home_tenant = $2 THEN 0 ELSE MIN(x.position + 1) FILTER (WHERE x.receiver_tenant = $2 AND x.receiver_account IS NULL) END AS by_tenant
                FROM wanted w LEFT JOIN device d ON d.id = w.id LEFT JOIN device_assignment x ON x.device_id = d.id AND $8 = 'Assign'
                GROUP BY w.id, w.named, d.id
            ), feeding AS (
                SELECT m.device_id, MIN(g.id::text) AS grant_id FROM grant_receiver r JOIN device_grant g ON g.id = r.grant_id JOIN grant_device m ON m.grant_id = g.id
                WHERE r.account_id = $3::uuid AND $8 = 'Assign' AND g.tenant_id = $2 AND g.mode = 'Assign' AND g.id <> $1 AND m.state IN ('applied', 'waiting', 'refused')
                GROUP BY m.device_id
            ), visible AS (",
            $crate::store::sight::visible!(
                "jsonb_array_elements", "jsonb_array_elements_text", on "$10", giver "$3::uuid", only_below "$11", tenant "$12::uuid", groups "$13",
                roles "$14", tenants "$15", source "$16", now "$17::timestamptz"
            ),
            "
            ), facts AS (
                SELECT c.*, e.grant_id AS feeder,
                    CASE WHEN c.by_account <= COALESCE(c.own, c.by_account) THEN c.by_account
                        WHEN e.grant_id IS NULL AND c.by_tenant <= COALESCE(c.own, c.by_tenant) THEN c.by_tenant END AS place,
                    c.by_account <= COALESCE(c.own, c.by_account) AS account_gives,
                    (CASE $8 WHEN 'Assign' THEN c.by_account <= COALESCE(c.own, c.by_account) OR c.by_tenant <= COALESCE(c.own, c.by_tenant) ELSE t.tenant_id IS NOT NULL END)
                        AND (NOT $10 OR v.id IS NOT NULL) AS reachable
                FROM chains c
                LEFT JOIN feeding e ON e.device_id = c.id
                LEFT JOIN tenant_ancestor t ON t.tenant_id = c.holder_tenant AND t.ancestor_id = $2
                LEFT JOIN visible v ON v.id = c.device
            ), keyed AS (
                SELECT f.id, f.place, f.account_gives, f.reachable, CASE WHEN f.own = f.place THEN 1 ELSE 0 END AS here,
                    COALESCE(m.state, '') || CASE WHEN f.reachable THEN CASE WHEN f.account_gives THEN ',a' ELSE ',t' END ELSE ',n' END || COALESCE(f.place, 0) || ','
                    || CASE WHEN f.own IS NULL THEN 'absent,' WHEN f.own = f.place THEN 'here,' ELSE 'misplaced,' END
                    || CASE WHEN f.place IS NULL AND f.feeder IS NOT NULL THEN 'fed:' || f.feeder WHEN i.position IS NULL OR i.grant_id = $1 THEN 'free' WHEN i.grant_id IS NULL THEN 'ended' ELSE i.grant_id::text END
                    || CASE WHEN $9 THEN ',' || COALESCE(f.holder_tenant::text, '') || ',' || COALESCE(f.holder_account::text, '') ELSE ',,' END AS key
                FROM facts f
                LEFT JOIN grant_device m ON m.grant_id = $1 AND m.device_id = f.id
                LEFT JOIN device_assignment i ON i.device_id = f.device AND i.position = f.place
                WHERE f.named = 1 OR f.reachable
            ) ",
            $rest
        )
    };
    (sqlite, $rest:literal) => {
        concat!(
            "WITH wanted AS (
                SELECT value AS id, 1 AS named FROM json_each($4)
                UNION ALL
                SELECT s.id, 0 FROM (
                    SELECT d.id FROM json_each($5) u JOIN device d ON d.unit_id = u.value
                    UNION SELECT d.id FROM (
                        SELECT id FROM device WHERE $7 AND $8 = 'Assign' AND home_tenant = $2
                        UNION SELECT g.device_id FROM grant_receiver r JOIN grant_device m ON m.grant_id = r.grant_id
                            JOIN device_assignment g ON g.device_id = m.device_id AND g.grant_id = r.grant_id AND g.receiver_account IS NULL
                            WHERE $7 AND $8 = 'Assign' AND r.tenant_id = $2 AND g.receiver_tenant = $2
                        UNION SELECT device_id FROM device_assignment WHERE $7 AND $8 = 'Assign' AND grant_id IS NULL AND receiver_tenant = $2 AND receiver_account IS NULL
                        UNION SELECT device_id FROM device_assignment WHERE $7 AND $8 = 'Assign' AND receiver_account = $3
                        UNION SELECT h.id FROM tenant_ancestor a JOIN device h ON h.holder_tenant = a.tenant_id WHERE $7 AND $8 = 'Share' AND a.ancestor_id = $2
                    ) AS near JOIN device d ON d.id = near.id
                    WHERE NOT EXISTS (SELECT 1 FROM json_each($6) r WHERE (r.value->>'operator' IN ('In', 'Exists')) <> EXISTS (
                        SELECT 1 FROM json_each(d.labels) l WHERE l.key = r.value->>'key'
                            AND (r.value->>'operator' IN ('Exists', 'DoesNotExist') OR l.value IN (SELECT v.value FROM json_each(r.value, '$.values') v))))
                ) AS s WHERE s.id NOT IN (SELECT value FROM json_each($4))
            ), chains AS (
                SELECT w.id, w.named, d.id AS device, d.holder_tenant, d.holder_account, o.position AS own,
                    CASE WHEN $8 = 'Assign' AND $3 IS NOT NULL THEN
                        (SELECT MIN(x.position) + 1 FROM device_assignment x WHERE x.device_id = d.id AND x.receiver_account = $3) END AS by_account,
                    CASE WHEN $8 <> 'Assign' THEN NULL WHEN d.home_tenant = $2 THEN 0 ELSE
                        (SELECT MIN(x.position) + 1 FROM device_assignment x WHERE x.device_id = d.id AND x.receiver_tenant = $2 AND x.receiver_account IS NULL) END AS by_tenant
                FROM wanted w LEFT JOIN device d ON d.id = w.id LEFT JOIN device_assignment o ON o.device_id = w.id AND o.grant_id = $1
            ), feeding AS (
                SELECT m.device_id, MIN(g.id) AS grant_id FROM grant_receiver r JOIN device_grant g ON g.id = r.grant_id JOIN grant_device m ON m.grant_id = g.id
                WHERE r.account_id = $3 AND $8 = 'Assign' AND g.tenant_id = $2 AND g.mode = 'Assign' AND g.id <> $1 AND m.state IN ('applied', 'waiting', 'refused')
                GROUP BY m.device_id
            ), visible AS (",
            $crate::store::sight::visible!(
                "json_each", "value FROM json_each", on "$10", giver "$3", only_below "$11", tenant "$12", groups "$13",
                roles "$14", tenants "$15", source "$16", now "$17"
            ),
            "
            ), facts AS (
                SELECT c.*, e.grant_id AS feeder,
                    CASE WHEN c.by_account <= COALESCE(c.own, c.by_account) THEN c.by_account
                        WHEN e.grant_id IS NULL AND c.by_tenant <= COALESCE(c.own, c.by_tenant) THEN c.by_tenant END AS place,
                    c.by_account <= COALESCE(c.own, c.by_account) AS account_gives,
                    (CASE $8 WHEN 'Assign' THEN c.by_account <= COALESCE(c.own, c.by_account) OR c.by_tenant <= COALESCE(c.own, c.by_tenant) ELSE t.tenant_id IS NOT NULL END)
                        AND (NOT $10 OR v.id IS NOT NULL) AS reachable
                FROM chains c
                LEFT JOIN feeding e ON e.device_id = c.id
                LEFT JOIN tenant_ancestor t ON t.tenant_id = c.holder_tenant AND t.ancestor_id = $2
                LEFT JOIN visible v ON v.id = c.device
            ), keyed AS (
                SELECT f.id, f.place, f.account_gives, f.reachable, CASE WHEN f.own = f.place THEN 1 ELSE 0 END AS here,
                    COALESCE(m.state, '') || CASE WHEN f.reachable THEN CASE WHEN f.account_gives THEN ',a' ELSE ',t' END ELSE ',n' END || COALESCE(f.place, 0) || ','
                    || CASE WHEN f.own IS NULL THEN 'absent,' WHEN f.own = f.place THEN 'here,' ELSE 'misplaced,' END
                    || CASE WHEN f.place IS NULL AND f.feeder IS NOT NULL THEN 'fed:' || f.feeder WHEN i.position IS NULL OR i.grant_id = $1 THEN 'free' WHEN i.grant_id IS NULL THEN 'ended' ELSE i.grant_id END
                    || CASE WHEN $9 THEN ',' || COALESCE(f.holder_tenant, '') || ',' || COALESCE(f.holder_account, '') ELSE ',,' END AS key
                FROM facts f
                LEFT JOIN grant_device m ON m.grant_id = $1 AND m.device_id = f.id
                LEFT JOIN device_assignment i ON i.device_id = f.device AND i.position = f.place
                WHERE f.named = 1 OR f.reachable
            ) ",
            $rest
        )
    };
    ($rest:literal) => {
        $crate::store::sql::Sql { postgres: keyed!(postgres, $rest), sqlite: keyed!(sqlite, $rest) }
    };
}

/// `args!` of a [`Search`], and more behind them.
macro_rules! search_args {
    ($search:expr $(, $more:expr)* $(,)?) => {
        $crate::store::sql::args![
            $search.grant, $search.tenant, $search.account, &$search.ids, &$search.units, &$search.requirements,
            $search.selects, $search.mode, $search.holders, $search.narrow, $search.only_below, $search.its_tenant,
            &$search.groups, &$search.roles, &$search.tenants, &$search.source, $search.now $(, $more)*
        ]
    };
}

pub(super) use {keyed, search_args};
