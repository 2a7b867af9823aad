-- The account database. Every statement of Tenantry lives in src/store; other
-- programs may read all of this and write `device` (the inventory).
-- Times are whole seconds, UTC (R13). Keys ending in `_key` are case-folded.

-- facts about this database: schema owner, fingerprint of the link key
CREATE TABLE setting (
    -- the fact
    name  TEXT NOT NULL PRIMARY KEY,
    -- its value
    value TEXT NOT NULL
) STRICT;

-- every custom resource that was ever judged, with its last verdict
CREATE TABLE object (
    -- identifier in this database
    id                 TEXT NOT NULL PRIMARY KEY,
    -- where it comes from: uid of a cluster, or path of a folder
    source             TEXT NOT NULL,
    -- Tenant, SubAdmin, Role or DeviceGrant
    kind               TEXT NOT NULL,
    -- its namespace
    namespace          TEXT NOT NULL,
    -- its name
    name               TEXT NOT NULL,
    -- metadata.uid, absent for files
    uid                TEXT,
    -- creationTimestamp, for files when it was first stored; decides conflicts
    born               TEXT NOT NULL,
    -- the last generation judged
    generation         INTEGER NOT NULL,
    -- the generation in force
    applied_generation INTEGER,
    -- last handled value of the annotation resend-activation
    resend_value       TEXT,
    -- last handled value of the annotation reassign-roles
    reassign_value     TEXT,
    -- conditions and status as last reported
    verdict            TEXT NOT NULL,
    UNIQUE (source, kind, namespace, name)
) STRICT;

-- what an object depends on or waits for
CREATE TABLE subscription (
    -- what it waits for, for instance tenant/ns/name or quota/<tenant id>
    topic     TEXT NOT NULL,
    -- who waits
    object_id TEXT NOT NULL REFERENCES object (id) ON DELETE CASCADE,
    PRIMARY KEY (topic, object_id)
) STRICT;
CREATE INDEX subscription_object ON subscription (object_id);

-- objects to judge again, written in the transaction that makes it necessary
CREATE TABLE wakeup (
    -- the object
    object_id TEXT NOT NULL PRIMARY KEY REFERENCES object (id) ON DELETE CASCADE,
    -- not before this time
    due_at    TEXT NOT NULL
) STRICT;
CREATE INDEX wakeup_due ON wakeup (due_at);

-- an isolated customer account, nested to any depth
CREATE TABLE tenant (
    -- identifier
    id                 TEXT NOT NULL PRIMARY KEY,
    -- the resource that manages this row; null: unmanaged
    object_id          TEXT UNIQUE REFERENCES object (id) ON DELETE SET NULL,
    -- the tenant above; null for a root
    parent_id          TEXT REFERENCES tenant (id),
    -- the root of its tree
    root_id            TEXT NOT NULL,
    -- unique below its parent
    name               TEXT NOT NULL,
    -- names from the root, for instance /acme/north
    path               TEXT NOT NULL UNIQUE,
    -- shown to people
    display_name       TEXT NOT NULL,
    -- false: nobody here or below may do anything
    enabled            INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    -- false: the parent no longer admits this namespace; as if disabled
    permitted          INTEGER NOT NULL CHECK (permitted IN (0, 1)),
    -- where child tenants may live
    allowed_namespaces TEXT NOT NULL,
    -- limit for the subtree; null: only the ancestors' limits
    max_devices        INTEGER CHECK (max_devices >= 0),
    -- limit for the subtree, itself not counted
    max_tenants        INTEGER CHECK (max_tenants >= 0),
    -- limit for the subtree
    max_accounts       INTEGER CHECK (max_accounts >= 0),
    -- limits by tier and by role
    account_limits     TEXT NOT NULL,
    -- name of the SubAdmin that owns the subscription
    owner_name         TEXT,
    -- outgoing mail settings, without secrets
    mail               TEXT,
    -- product name and support address
    branding           TEXT,
    -- Refuse, Retain or Cascade
    deletion_policy    TEXT NOT NULL,
    -- the account that answers for it; null: the platform
    managed_by         TEXT REFERENCES account (id) ON DELETE SET NULL,
    -- when the row was made
    created_at         TEXT NOT NULL
) STRICT;
CREATE INDEX tenant_parent ON tenant (parent_id);
CREATE INDEX tenant_managed_by ON tenant (managed_by);

-- every tenant with each of its ancestors and itself (distance 0)
CREATE TABLE tenant_ancestor (
    -- the tenant
    tenant_id   TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    -- itself or one above
    ancestor_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    -- levels between them
    distance    INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, ancestor_id)
) STRICT;
CREATE INDEX tenant_ancestor_down ON tenant_ancestor (ancestor_id, distance);

-- an account of any level below the platform itself
CREATE TABLE account (
    -- identifier
    id                 TEXT NOT NULL PRIMARY KEY,
    -- the resource that manages this row; null: unmanaged
    object_id          TEXT UNIQUE REFERENCES object (id) ON DELETE SET NULL,
    -- the tenant it belongs to
    tenant_id          TEXT NOT NULL REFERENCES tenant (id),
    -- name of its SubAdmin
    name               TEXT NOT NULL,
    -- as written
    username           TEXT NOT NULL,
    -- case-folded, unique
    username_key       TEXT NOT NULL UNIQUE,
    -- the login
    email              TEXT NOT NULL,
    -- case-folded, unique
    email_key          TEXT NOT NULL UNIQUE,
    -- a new address that its owner has not proved yet
    pending_email      TEXT,
    -- case-folded
    pending_email_key  TEXT UNIQUE,
    -- optional
    company            TEXT,
    -- optional
    mobile             TEXT,
    -- Root, SuperAdmin, Admin or Basic (R1)
    tier               TEXT NOT NULL,
    -- false: denied everything
    enabled            INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    -- the address is proved
    email_verified     INTEGER NOT NULL CHECK (email_verified IN (0, 1)),
    -- argon2id, PHC string
    password_hash      TEXT,
    -- when the invitation was completed
    activated_at       TEXT,
    -- language of its mails
    locale             TEXT NOT NULL,
    -- seconds that a link stays valid
    link_lifetime      INTEGER NOT NULL CHECK (link_lifetime > 0),
    -- devices it may hold and delegate (R3); null: counts against the nearest above
    manageable_devices INTEGER CHECK (manageable_devices >= 0),
    -- as written; null: by tier
    capabilities       TEXT,
    -- manageable scope as written; null: its tenant and below
    scope              TEXT,
    -- own allow and deny rules
    permissions        TEXT NOT NULL,
    -- override; null: its roles decide (R5)
    individual_access  INTEGER CHECK (individual_access IN (0, 1)),
    -- capabilities and individual access as computed
    effective          TEXT NOT NULL,
    -- Delete or Disable
    deletion_policy    TEXT NOT NULL,
    -- the account that answers for it; null: the platform
    managed_by         TEXT REFERENCES account (id),
    -- when the row was made
    created_at         TEXT NOT NULL
) STRICT;
CREATE INDEX account_tenant ON account (tenant_id);
CREATE INDEX account_managed_by ON account (managed_by);

-- every account with each manager above it and itself (distance 0)
CREATE TABLE account_ancestor (
    -- the account
    account_id  TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- itself or one above
    ancestor_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- levels between them
    distance    INTEGER NOT NULL,
    PRIMARY KEY (account_id, ancestor_id)
) STRICT;
CREATE INDEX account_ancestor_down ON account_ancestor (ancestor_id, distance);

-- user groups; a group is (tenant, name)
CREATE TABLE account_group (
    -- the member
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- name of the group in the member's tenant
    name       TEXT NOT NULL,
    PRIMARY KEY (account_id, name)
) STRICT;

-- a template of permissions (R6)
CREATE TABLE role (
    -- identifier
    id           TEXT NOT NULL PRIMARY KEY,
    -- the resource that manages this row; null: unmanaged
    object_id    TEXT UNIQUE REFERENCES object (id) ON DELETE SET NULL,
    -- usable there and below
    tenant_id    TEXT NOT NULL REFERENCES tenant (id),
    -- unique in its tenant
    name         TEXT NOT NULL,
    -- shown to people
    display_name TEXT NOT NULL,
    -- permissions, capabilities and individual access
    content      TEXT NOT NULL,
    -- first 12 hex digits of SHA-256 over the canonical content
    revision     TEXT NOT NULL,
    -- counts revisions, for people
    number       INTEGER NOT NULL,
    -- OnReassign or Immediate
    propagation  TEXT NOT NULL,
    -- the account that answers for it; null: the platform
    managed_by   TEXT REFERENCES account (id) ON DELETE SET NULL,
    -- when the row was made
    created_at   TEXT NOT NULL,
    UNIQUE (tenant_id, name)
) STRICT;
CREATE INDEX role_managed_by ON role (managed_by);

-- every content that a role has had, so that a pin can be assigned
CREATE TABLE role_revision (
    -- the role
    role_id    TEXT NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    -- digest of the content
    revision   TEXT NOT NULL,
    -- for people
    number     INTEGER NOT NULL,
    -- permissions, capabilities and individual access
    content    TEXT NOT NULL,
    -- when it was first seen
    created_at TEXT NOT NULL,
    PRIMARY KEY (role_id, revision)
) STRICT;

-- a role as copied to an account when it was assigned (R6)
CREATE TABLE account_role (
    -- the account
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- order as written
    position   INTEGER NOT NULL,
    -- the template; null when it is gone, the copy stays
    role_id    TEXT REFERENCES role (id) ON DELETE SET NULL,
    -- namespace of the template
    namespace  TEXT NOT NULL,
    -- name of the template
    name       TEXT NOT NULL,
    -- the revision copied
    revision   TEXT NOT NULL,
    -- the spec names this revision
    pinned     INTEGER NOT NULL CHECK (pinned IN (0, 1)),
    -- the copy in force
    content    TEXT NOT NULL,
    PRIMARY KEY (account_id, namespace, name)
) STRICT;
CREATE INDEX account_role_role ON account_role (role_id);

-- the inventory; written by the platform or by an import
CREATE TABLE device (
    -- identifier of the platform
    id             TEXT NOT NULL PRIMARY KEY,
    -- second identifier
    unit_id        TEXT,
    -- shown to people
    name           TEXT NOT NULL,
    -- key and value pairs
    labels         TEXT NOT NULL,
    -- who holds it when nothing is assigned; null: nobody yet
    home_tenant    TEXT REFERENCES tenant (id),
    -- who holds it now
    holder_tenant  TEXT REFERENCES tenant (id),
    -- the account that holds it now, if one does
    holder_account TEXT REFERENCES account (id) ON DELETE SET NULL,
    -- when the row was made
    created_at     TEXT NOT NULL
) STRICT;
CREATE INDEX device_unit ON device (unit_id);
CREATE INDEX device_home ON device (home_tenant);
CREATE INDEX device_holder_tenant ON device (holder_tenant, id);
CREATE INDEX device_holder_account ON device (holder_account, id);

-- labels, one row each, for selectors
CREATE TABLE device_label (
    -- the device
    device_id TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    -- label key
    name      TEXT NOT NULL,
    -- label value
    value     TEXT NOT NULL,
    PRIMARY KEY (device_id, name)
) STRICT;
CREATE INDEX device_label_value ON device_label (name, value, device_id);

-- which devices, to whom, to do what
CREATE TABLE device_grant (
    -- identifier
    id          TEXT NOT NULL PRIMARY KEY,
    -- the resource that manages this row; null: unmanaged
    object_id   TEXT UNIQUE REFERENCES object (id) ON DELETE SET NULL,
    -- the granting tenant
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    -- namespace of the resource, for claims of the same age
    namespace   TEXT NOT NULL,
    -- unique in its tenant
    name        TEXT NOT NULL,
    -- Assign or Share
    mode        TEXT NOT NULL,
    -- label that groups grants
    project     TEXT,
    -- ids, unit ids, selector or all, as written
    selection   TEXT NOT NULL,
    -- allow and deny rules
    permissions TEXT NOT NULL,
    -- inclusive; null: at once
    not_before  TEXT,
    -- exclusive; null: never
    expires_at  TEXT,
    -- ReturnToGrantor or Retain
    reclaim     TEXT NOT NULL,
    -- the account that gives; null: the platform
    managed_by  TEXT REFERENCES account (id) ON DELETE SET NULL,
    -- age of the claim
    born        TEXT NOT NULL,
    -- when the row was made
    created_at  TEXT NOT NULL,
    UNIQUE (tenant_id, name)
) STRICT;
CREATE INDEX device_grant_managed_by ON device_grant (managed_by);
CREATE INDEX device_grant_project ON device_grant (tenant_id, project);

-- who receives a grant: a tenant, an account or a group
CREATE TABLE grant_receiver (
    -- the grant
    grant_id   TEXT NOT NULL REFERENCES device_grant (id) ON DELETE CASCADE,
    -- order as written
    position   INTEGER NOT NULL,
    -- the tenant, or the tenant of the group
    tenant_id  TEXT REFERENCES tenant (id) ON DELETE CASCADE,
    -- the account
    account_id TEXT REFERENCES account (id) ON DELETE CASCADE,
    -- the group
    group_name TEXT,
    PRIMARY KEY (grant_id, position)
) STRICT;
CREATE INDEX grant_receiver_tenant ON grant_receiver (tenant_id);
CREATE INDEX grant_receiver_account ON grant_receiver (account_id);

-- each device that a grant names or selects, and what became of it
CREATE TABLE grant_device (
    -- the grant
    grant_id  TEXT NOT NULL REFERENCES device_grant (id) ON DELETE CASCADE,
    -- the device; it may not exist yet
    device_id TEXT NOT NULL,
    -- applied, pending, refused, waiting or idle
    state     TEXT NOT NULL,
    -- reason when not applied
    why       TEXT,
    PRIMARY KEY (grant_id, device_id)
) STRICT;
CREATE INDEX grant_device_device ON grant_device (device_id, state);

-- who gave a device to whom, from its home (position 0) on
CREATE TABLE device_assignment (
    -- the device
    device_id        TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    -- place in the chain
    position         INTEGER NOT NULL,
    -- the Assign
    grant_id         TEXT NOT NULL REFERENCES device_grant (id) ON DELETE CASCADE,
    -- who gave it
    giver_tenant     TEXT NOT NULL REFERENCES tenant (id),
    -- the account that gave it, if one did
    giver_account    TEXT REFERENCES account (id) ON DELETE CASCADE,
    -- the tenant that received it, or whose account did
    receiver_tenant  TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    -- the account that received it
    receiver_account TEXT REFERENCES account (id) ON DELETE CASCADE,
    PRIMARY KEY (device_id, position),
    UNIQUE (grant_id, device_id)
) STRICT;

-- links sent to people; the token is derived from the nonce and never stored (R8)
CREATE TABLE activation (
    -- identifier
    id         TEXT NOT NULL PRIMARY KEY,
    -- whose
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- Activate, Confirm, SetPassword or ChangeEmail
    purpose    TEXT NOT NULL,
    -- random; useless without the key
    nonce      TEXT NOT NULL,
    -- when it was queued
    issued_at  TEXT NOT NULL,
    -- no longer valid from then on
    expires_at TEXT NOT NULL,
    -- open, used or replaced
    state      TEXT NOT NULL,
    -- when it was used
    used_at    TEXT
) STRICT;
CREATE INDEX device_assignment_tenant ON device_assignment (receiver_tenant);
CREATE INDEX device_assignment_account ON device_assignment (receiver_account);
CREATE INDEX device_assignment_giver ON device_assignment (giver_account);

CREATE UNIQUE INDEX activation_open ON activation (account_id) WHERE state = 'open';
CREATE INDEX activation_account ON activation (account_id, issued_at);

-- mails to send, written in the transaction that decides them
CREATE TABLE outbox (
    -- identifier
    id            TEXT NOT NULL PRIMARY KEY,
    -- the link to send
    activation_id TEXT NOT NULL REFERENCES activation (id) ON DELETE CASCADE,
    -- to whom
    account_id    TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- stable, so that a repeated mail can be recognised
    message_id    TEXT NOT NULL UNIQUE,
    -- queued, sent, failed or dropped
    state         TEXT NOT NULL,
    -- how often it was tried
    attempts      INTEGER NOT NULL,
    -- when it was decided
    queued_at     TEXT NOT NULL,
    -- next attempt
    due_at        TEXT NOT NULL,
    -- the worker that is sending it
    claimed_by    TEXT,
    -- when another may take it over
    claimed_until TEXT,
    -- when the server accepted it
    sent_at       TEXT,
    -- why the last attempt failed, without addresses
    problem       TEXT
) STRICT;
CREATE INDEX outbox_due ON outbox (state, due_at);
CREATE INDEX outbox_account ON outbox (account_id);

-- what happened (R11); appended in the transaction, chained afterwards
CREATE TABLE audit (
    -- identifier, in order of time
    id         TEXT NOT NULL PRIMARY KEY,
    -- place in the chain; null: not sealed yet
    sequence   INTEGER UNIQUE,
    -- when
    at         TEXT NOT NULL,
    -- on whose authority
    actor      TEXT NOT NULL,
    -- what was done
    action     TEXT NOT NULL,
    -- kind of the resource
    kind       TEXT,
    -- its namespace
    namespace  TEXT,
    -- its name
    name       TEXT,
    -- the tenant it lies in
    tenant_id  TEXT,
    -- generation of the resource
    generation INTEGER,
    -- state before, personal values as keyed digests
    before     TEXT,
    -- state after, personal values as keyed digests
    after      TEXT,
    -- hash over this entry and the one before it
    digest     TEXT
) STRICT;
CREATE INDEX audit_at ON audit (at, id);
CREATE INDEX audit_object ON audit (kind, namespace, name);
