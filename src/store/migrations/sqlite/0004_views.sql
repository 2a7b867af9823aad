-- Views for other programs. They have the same columns and rows on both
-- databases and follow the rules that src/domain states; tests compare them.

-- A project is a label on the grants of one tenant; its members are the
-- accounts that these grants reach, as src/domain/access/reach.rs says: named
-- themselves, by a group of the granting tenant, or by their tenant (never from
-- below it); within the grant's times by this database's clock; outranked by
-- the giver, unless a Share names its own giver. A grant whose resource was
-- deleted has ended, whatever it retains.
CREATE VIEW project_members AS
SELECT DISTINCT
    -- the granting tenant, whose project it is
    t.id AS tenant_id,
    -- its path, for instance /acme/north
    t.path AS tenant_path,
    -- the label of the grant
    g.project,
    -- the member, enabled or not
    c.id AS account_id,
    -- its username, as written
    c.username,
    -- the grant that makes it one
    g.id AS grant_id,
    -- namespace of the grant's resource
    g.namespace AS grant_namespace,
    -- name of the grant's resource
    g.name AS grant_name,
    -- account, group or tenant: what the grant names
    m.via
FROM (
    SELECT r.grant_id, r.account_id, 'account' AS via
      FROM grant_receiver r WHERE r.account_id IS NOT NULL
    UNION ALL
    SELECT r.grant_id, b.id, 'group'
      FROM grant_receiver r JOIN account b ON b.tenant_id = r.tenant_id
      JOIN account_group i ON i.account_id = b.id AND i.name = r.group_name
     WHERE r.account_id IS NULL
    UNION ALL
    SELECT r.grant_id, b.id, 'tenant'
      FROM grant_receiver r JOIN account b ON b.tenant_id = r.tenant_id
     WHERE r.account_id IS NULL AND r.group_name IS NULL
) AS m
JOIN device_grant g ON g.id = m.grant_id
JOIN tenant t ON t.id = g.tenant_id
JOIN account c ON c.id = m.account_id
JOIN tenant_ancestor a ON a.tenant_id = c.tenant_id AND a.ancestor_id = g.tenant_id
LEFT JOIN account giver ON giver.id = g.managed_by
WHERE g.project IS NOT NULL AND g.object_id IS NOT NULL
  AND (g.not_before IS NULL OR g.not_before <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
  AND (g.expires_at IS NULL OR g.expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
  AND (g.managed_by IS NULL
       OR (g.mode = 'Share' AND m.via = 'account' AND c.id = g.managed_by)
       OR CASE giver.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
        > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END);
