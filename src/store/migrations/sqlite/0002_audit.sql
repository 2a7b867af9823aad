-- Sealing, reading and narrowing the audit trail (R11). SQLite cannot add a
-- column that numbers rows, so the table is made anew.

CREATE TABLE audit_numbered (
    -- identifier
    id            TEXT NOT NULL UNIQUE,
    -- place in the chain; null: not sealed yet
    sequence      INTEGER UNIQUE,
    -- when
    at            TEXT NOT NULL,
    -- on whose authority
    actor         TEXT NOT NULL,
    -- what was done
    action        TEXT NOT NULL,
    -- kind of the resource
    kind          TEXT,
    -- its namespace
    namespace     TEXT,
    -- its name
    name          TEXT,
    -- the tenant it lies in
    tenant_id     TEXT,
    -- generation of the resource
    generation    INTEGER,
    -- state before, personal values as keyed digests
    before        TEXT,
    -- state after, personal values as keyed digests
    after         TEXT,
    -- keyed digest over this entry, its place and the digest before it
    digest        TEXT,
    -- order of appending; says nothing about the order of commits
    appended      INTEGER NOT NULL PRIMARY KEY,
    -- the account on whose authority; null: the platform
    actor_account TEXT,
    -- the tenant of that account
    actor_tenant  TEXT,
    -- the account concerned, if one is
    account_id    TEXT
) STRICT;
INSERT INTO audit_numbered (id, sequence, at, actor, action, kind, namespace, name, tenant_id, generation, before, after, digest)
    SELECT id, sequence, at, actor, action, kind, namespace, name, tenant_id, generation, before, after, digest FROM audit ORDER BY at, rowid;
DROP TABLE audit;
ALTER TABLE audit_numbered RENAME TO audit;

CREATE INDEX audit_at ON audit (at, appended);
CREATE INDEX audit_object ON audit (kind, namespace, name, at, appended);
CREATE INDEX audit_actor ON audit (actor, at, appended);
CREATE INDEX audit_actor_account ON audit (actor_account, at, appended);
CREATE INDEX audit_tenant ON audit (tenant_id, at, appended);
CREATE INDEX audit_action ON audit (action, at, appended);
CREATE INDEX audit_unsealed ON audit (appended) WHERE sequence IS NULL;

-- every tenant that is gone with those that were above it, which may still read its trail
CREATE TABLE audit_gone_tenant (
    -- the tenant
    tenant_id   TEXT NOT NULL,
    -- itself or one that was above
    ancestor_id TEXT NOT NULL,
    -- levels between them
    distance    INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, ancestor_id)
) STRICT;
CREATE INDEX audit_gone_tenant_down ON audit_gone_tenant (ancestor_id, tenant_id);
