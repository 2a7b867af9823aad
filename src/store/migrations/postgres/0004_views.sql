-- Views for other programs. They have the same columns and rows on both
-- databases and follow the rules that src/domain states; tests compare them.

-- A project is a label on the grants of one tenant; its members are the
-- accounts that these grants reach, as src/domain/access/reach.rs says: named
-- themselves, by a group of the granting tenant, or by their tenant (never from
-- below it); within the grant's times by this database's clock; outranked by
-- the giver, unless a Share names its own giver. A grant whose resource was
-- deleted has ended, whatever it retains.
CREATE VIEW project_members AS
SELECT DISTINCT t.id AS tenant_id, t.path AS tenant_path, g.project, c.id AS account_id, c.username,
       g.id AS grant_id, g.namespace AS grant_namespace, g.name AS grant_name, m.via
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
  AND (g.not_before IS NULL OR g.not_before <= now())
  AND (g.expires_at IS NULL OR g.expires_at > now())
  AND (g.managed_by IS NULL
       OR (g.mode = 'Share' AND m.via = 'account' AND c.id = g.managed_by)
       OR CASE giver.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END
        > CASE c.tier WHEN 'Root' THEN 3 WHEN 'SuperAdmin' THEN 2 WHEN 'Admin' THEN 1 ELSE 0 END);

COMMENT ON VIEW project_members IS 'who is a member of a project now: one row for each grant of the project and each account that it reaches; enabled or not';
COMMENT ON COLUMN project_members.tenant_id IS 'the granting tenant, whose project it is';
COMMENT ON COLUMN project_members.tenant_path IS 'its path, for instance /acme/north';
COMMENT ON COLUMN project_members.project IS 'the label of the grant';
COMMENT ON COLUMN project_members.account_id IS 'the member';
COMMENT ON COLUMN project_members.username IS 'its username, as written';
COMMENT ON COLUMN project_members.grant_id IS 'the grant that makes it one';
COMMENT ON COLUMN project_members.grant_namespace IS 'namespace of the grant''s resource';
COMMENT ON COLUMN project_members.grant_name IS 'name of the grant''s resource';
COMMENT ON COLUMN project_members.via IS 'account, group or tenant: what the grant names';
