-- Tenants nest to any depth and paths grow with it, while an entry of a b-tree
-- has a bound: a place is unique by the tenant above and the name, and a path is
-- found by its hash.
ALTER TABLE tenant DROP CONSTRAINT tenant_path_key;
CREATE UNIQUE INDEX tenant_place ON tenant (COALESCE(parent_id, '00000000-0000-0000-0000-000000000000'::uuid), name);
CREATE INDEX tenant_path ON tenant USING hash (path);
