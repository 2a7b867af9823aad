-- A place is unique by the tenant above and the name, as on PostgreSQL.
CREATE UNIQUE INDEX tenant_place ON tenant (COALESCE(parent_id, ''), name);
