-- What a check reads of an account and of a grant, as one column each: fewer
-- columns to carry through its joins. The database keeps them; nobody writes
-- them.

-- IMMUTABLE: it depends on its arguments alone (the epoch of a time has no
-- zone), and building JSON is merely declared otherwise.
CREATE FUNCTION account_brief(id uuid, username text, tier text, enabled boolean, activated_at timestamptz, effective jsonb, permissions jsonb, scope jsonb, standing json)
    RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN json_build_array(id, username, tier, enabled::int, (activated_at IS NOT NULL)::int, (effective->'individual_access')::boolean::int, permissions, scope, standing)::text;
END $$;

CREATE FUNCTION grant_brief(id uuid, object_id uuid, tenant_id uuid, namespace text, name text, mode text, reclaim text, permissions jsonb, not_before timestamptz, expires_at timestamptz,
        managed_by uuid, giver_tier text, receivers json)
    RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN json_build_array(id, (object_id IS NOT NULL)::int, tenant_id, namespace, name, mode, reclaim, permissions, floor(extract(epoch FROM not_before))::bigint,
        floor(extract(epoch FROM expires_at))::bigint, managed_by, giver_tier, receivers)::text;
END $$;

ALTER TABLE account ADD COLUMN brief text GENERATED ALWAYS AS
    (account_brief(id, username, tier, enabled, activated_at, effective, permissions, scope, standing)) STORED;
ALTER TABLE device_grant ADD COLUMN brief text GENERATED ALWAYS AS
    (grant_brief(id, object_id, tenant_id, namespace, name, mode, reclaim, permissions, not_before, expires_at, managed_by, giver_tier, receivers)) STORED;

COMMENT ON COLUMN account.brief IS 'generated: [id, username, tier, enabled, activated, individual access, permissions, scope, standing]';
COMMENT ON COLUMN device_grant.brief IS 'generated: [id, managed, tenant, namespace, name, mode, reclaim, permissions, not before, expires at, giver, its tier, receivers]';
