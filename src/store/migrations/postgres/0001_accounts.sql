-- The account database. Every statement of Tenantry lives in src/store; other
-- programs may read all of this and write `device` (the inventory).
-- Times are whole seconds, UTC (R13). Keys ending in `_key` are case-folded.

CREATE TABLE setting (
    name  text COLLATE "C" NOT NULL PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE object (
    id                 uuid NOT NULL PRIMARY KEY,
    source             text NOT NULL,
    kind               text NOT NULL,
    namespace          text COLLATE "C" NOT NULL,
    name               text COLLATE "C" NOT NULL,
    uid                text,
    born               timestamptz NOT NULL,
    generation         bigint NOT NULL,
    applied_generation bigint,
    resend_value       text,
    reassign_value     text,
    verdict            jsonb NOT NULL,
    UNIQUE (source, kind, namespace, name)
);

CREATE TABLE subscription (
    topic     text COLLATE "C" NOT NULL,
    object_id uuid NOT NULL REFERENCES object (id) ON DELETE CASCADE,
    PRIMARY KEY (topic, object_id)
);
CREATE INDEX subscription_object ON subscription (object_id);

CREATE TABLE wakeup (
    object_id uuid NOT NULL PRIMARY KEY REFERENCES object (id) ON DELETE CASCADE,
    due_at    timestamptz NOT NULL
);
CREATE INDEX wakeup_due ON wakeup (due_at);

CREATE TABLE tenant (
    id                 uuid NOT NULL PRIMARY KEY,
    object_id          uuid UNIQUE REFERENCES object (id) ON DELETE SET NULL,
    parent_id          uuid REFERENCES tenant (id),
    root_id            uuid NOT NULL,
    name               text COLLATE "C" NOT NULL,
    path               text COLLATE "C" NOT NULL UNIQUE,
    display_name       text NOT NULL,
    enabled            boolean NOT NULL,
    permitted          boolean NOT NULL,
    allowed_namespaces jsonb NOT NULL,
    max_devices        bigint CHECK (max_devices >= 0),
    max_tenants        bigint CHECK (max_tenants >= 0),
    max_accounts       bigint CHECK (max_accounts >= 0),
    account_limits     jsonb NOT NULL,
    owner_name         text,
    mail               jsonb,
    branding           jsonb,
    deletion_policy    text NOT NULL,
    managed_by         uuid,
    created_at         timestamptz NOT NULL
);
CREATE INDEX tenant_parent ON tenant (parent_id);
CREATE INDEX tenant_managed_by ON tenant (managed_by);

CREATE TABLE tenant_ancestor (
    tenant_id   uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    ancestor_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    distance    bigint NOT NULL,
    PRIMARY KEY (tenant_id, ancestor_id)
);
CREATE INDEX tenant_ancestor_down ON tenant_ancestor (ancestor_id, distance);

CREATE TABLE account (
    id                 uuid NOT NULL PRIMARY KEY,
    object_id          uuid UNIQUE REFERENCES object (id) ON DELETE SET NULL,
    tenant_id          uuid NOT NULL REFERENCES tenant (id),
    name               text COLLATE "C" NOT NULL,
    username           text NOT NULL,
    username_key       text COLLATE "C" NOT NULL UNIQUE,
    email              text NOT NULL,
    email_key          text COLLATE "C" NOT NULL UNIQUE,
    pending_email      text,
    pending_email_key  text UNIQUE,
    company            text,
    mobile             text,
    tier               text NOT NULL,
    enabled            boolean NOT NULL,
    email_verified     boolean NOT NULL,
    password_hash      text,
    activated_at       timestamptz,
    locale             text NOT NULL,
    link_lifetime      bigint NOT NULL CHECK (link_lifetime > 0),
    manageable_devices bigint CHECK (manageable_devices >= 0),
    capabilities       jsonb,
    scope              jsonb,
    permissions        jsonb NOT NULL,
    individual_access  boolean,
    effective          jsonb NOT NULL,
    deletion_policy    text NOT NULL,
    managed_by         uuid REFERENCES account (id),
    created_at         timestamptz NOT NULL
);
CREATE INDEX account_tenant ON account (tenant_id);
CREATE INDEX account_managed_by ON account (managed_by);

ALTER TABLE tenant ADD CONSTRAINT tenant_managed_by_account
    FOREIGN KEY (managed_by) REFERENCES account (id) ON DELETE SET NULL;

CREATE TABLE account_ancestor (
    account_id  uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    ancestor_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    distance    bigint NOT NULL,
    PRIMARY KEY (account_id, ancestor_id)
);
CREATE INDEX account_ancestor_down ON account_ancestor (ancestor_id, distance);

CREATE TABLE account_group (
    account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name       text COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, name)
);

CREATE TABLE role (
    id           uuid NOT NULL PRIMARY KEY,
    object_id    uuid UNIQUE REFERENCES object (id) ON DELETE SET NULL,
    tenant_id    uuid NOT NULL REFERENCES tenant (id),
    name         text COLLATE "C" NOT NULL,
    display_name text NOT NULL,
    content      jsonb NOT NULL,
    revision     text NOT NULL,
    number       bigint NOT NULL,
    propagation  text NOT NULL,
    managed_by   uuid REFERENCES account (id) ON DELETE SET NULL,
    created_at   timestamptz NOT NULL,
    UNIQUE (tenant_id, name)
);
CREATE INDEX role_managed_by ON role (managed_by);

CREATE TABLE role_revision (
    role_id    uuid NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    revision   text NOT NULL,
    number     bigint NOT NULL,
    content    jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (role_id, revision)
);

CREATE TABLE account_role (
    account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    position   bigint NOT NULL,
    role_id    uuid REFERENCES role (id) ON DELETE SET NULL,
    namespace  text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    revision   text NOT NULL,
    pinned     boolean NOT NULL,
    content    jsonb NOT NULL,
    PRIMARY KEY (account_id, namespace, name)
);
CREATE INDEX account_role_role ON account_role (role_id);

CREATE TABLE device (
    id             text COLLATE "C" NOT NULL PRIMARY KEY,
    unit_id        text,
    name           text COLLATE "C" NOT NULL,
    labels         jsonb NOT NULL,
    home_tenant    uuid REFERENCES tenant (id),
    holder_tenant  uuid REFERENCES tenant (id),
    holder_account uuid REFERENCES account (id) ON DELETE SET NULL,
    created_at     timestamptz NOT NULL
);
CREATE INDEX device_unit ON device (unit_id);
CREATE INDEX device_home ON device (home_tenant);
CREATE INDEX device_holder_tenant ON device (holder_tenant, id);
CREATE INDEX device_holder_account ON device (holder_account, id);

CREATE TABLE device_label (
    device_id text COLLATE "C" NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    name      text COLLATE "C" NOT NULL,
    value     text NOT NULL,
    PRIMARY KEY (device_id, name)
);
CREATE INDEX device_label_value ON device_label (name, value, device_id);

CREATE TABLE device_grant (
    id          uuid NOT NULL PRIMARY KEY,
    object_id   uuid UNIQUE REFERENCES object (id) ON DELETE SET NULL,
    tenant_id   uuid NOT NULL REFERENCES tenant (id),
    namespace   text COLLATE "C" NOT NULL,
    name        text COLLATE "C" NOT NULL,
    mode        text NOT NULL,
    project     text,
    selection   jsonb NOT NULL,
    permissions jsonb NOT NULL,
    not_before  timestamptz,
    expires_at  timestamptz,
    reclaim     text NOT NULL,
    managed_by  uuid REFERENCES account (id) ON DELETE SET NULL,
    born        timestamptz NOT NULL,
    created_at  timestamptz NOT NULL,
    UNIQUE (tenant_id, name)
);
CREATE INDEX device_grant_managed_by ON device_grant (managed_by);
CREATE INDEX device_grant_project ON device_grant (tenant_id, project);

CREATE TABLE grant_receiver (
    grant_id   uuid NOT NULL REFERENCES device_grant (id) ON DELETE CASCADE,
    position   bigint NOT NULL,
    tenant_id  uuid REFERENCES tenant (id) ON DELETE CASCADE,
    account_id uuid REFERENCES account (id) ON DELETE CASCADE,
    group_name text COLLATE "C",
    PRIMARY KEY (grant_id, position)
);
CREATE INDEX grant_receiver_tenant ON grant_receiver (tenant_id);
CREATE INDEX grant_receiver_account ON grant_receiver (account_id);

CREATE TABLE grant_device (
    grant_id  uuid NOT NULL REFERENCES device_grant (id) ON DELETE CASCADE,
    device_id text COLLATE "C" NOT NULL,
    state     text NOT NULL,
    why       text,
    PRIMARY KEY (grant_id, device_id)
);
CREATE INDEX grant_device_device ON grant_device (device_id, state);

CREATE TABLE device_assignment (
    device_id        text COLLATE "C" NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    position         bigint NOT NULL,
    grant_id         uuid NOT NULL REFERENCES device_grant (id) ON DELETE CASCADE,
    giver_tenant     uuid NOT NULL REFERENCES tenant (id),
    giver_account    uuid REFERENCES account (id) ON DELETE CASCADE,
    receiver_tenant  uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    receiver_account uuid REFERENCES account (id) ON DELETE CASCADE,
    PRIMARY KEY (device_id, position),
    UNIQUE (grant_id, device_id)
);

CREATE TABLE activation (
    id         uuid NOT NULL PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    purpose    text NOT NULL,
    nonce      text NOT NULL,
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    state      text NOT NULL,
    used_at    timestamptz
);
CREATE INDEX device_assignment_tenant ON device_assignment (receiver_tenant);
CREATE INDEX device_assignment_account ON device_assignment (receiver_account);
CREATE INDEX device_assignment_giver ON device_assignment (giver_account);

CREATE UNIQUE INDEX activation_open ON activation (account_id) WHERE state = 'open';
CREATE INDEX activation_account ON activation (account_id, issued_at);

CREATE TABLE outbox (
    id            uuid NOT NULL PRIMARY KEY,
    activation_id uuid NOT NULL REFERENCES activation (id) ON DELETE CASCADE,
    account_id    uuid NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    message_id    text NOT NULL UNIQUE,
    state         text NOT NULL,
    attempts      bigint NOT NULL,
    queued_at     timestamptz NOT NULL,
    due_at        timestamptz NOT NULL,
    claimed_by    uuid,
    claimed_until timestamptz,
    sent_at       timestamptz,
    problem       text
);
CREATE INDEX outbox_due ON outbox (state, due_at);
CREATE INDEX outbox_account ON outbox (account_id);

CREATE TABLE audit (
    id         uuid NOT NULL PRIMARY KEY,
    sequence   bigint UNIQUE,
    at         timestamptz NOT NULL,
    actor      text NOT NULL,
    action     text NOT NULL,
    kind       text,
    namespace  text COLLATE "C",
    name       text COLLATE "C",
    tenant_id  uuid,
    generation bigint,
    before     jsonb,
    after      jsonb,
    digest     text
);
CREATE INDEX audit_at ON audit (at, id);
CREATE INDEX audit_object ON audit (kind, namespace, name);

COMMENT ON TABLE setting IS 'facts about this database: schema owner, fingerprint of the link key';
COMMENT ON COLUMN setting.name IS 'the fact';
COMMENT ON COLUMN setting.value IS 'its value';
COMMENT ON TABLE object IS 'every custom resource that was ever judged, with its last verdict';
COMMENT ON COLUMN object.id IS 'identifier in this database';
COMMENT ON COLUMN object.source IS 'where it comes from: uid of a cluster, or path of a folder';
COMMENT ON COLUMN object.kind IS 'Tenant, SubAdmin, Role or DeviceGrant';
COMMENT ON COLUMN object.namespace IS 'its namespace';
COMMENT ON COLUMN object.name IS 'its name';
COMMENT ON COLUMN object.uid IS 'metadata.uid, absent for files';
COMMENT ON COLUMN object.born IS 'creationTimestamp, for files when it was first stored; decides conflicts';
COMMENT ON COLUMN object.generation IS 'the last generation judged';
COMMENT ON COLUMN object.applied_generation IS 'the generation in force';
COMMENT ON COLUMN object.resend_value IS 'last handled value of the annotation resend-activation';
COMMENT ON COLUMN object.reassign_value IS 'last handled value of the annotation reassign-roles';
COMMENT ON COLUMN object.verdict IS 'conditions and status as last reported';
COMMENT ON TABLE subscription IS 'what an object depends on or waits for';
COMMENT ON COLUMN subscription.topic IS 'what it waits for, for instance tenant/ns/name or quota/<tenant id>';
COMMENT ON COLUMN subscription.object_id IS 'who waits';
COMMENT ON TABLE wakeup IS 'objects to judge again, written in the transaction that makes it necessary';
COMMENT ON COLUMN wakeup.object_id IS 'the object';
COMMENT ON COLUMN wakeup.due_at IS 'not before this time';
COMMENT ON TABLE tenant IS 'an isolated customer account, nested to any depth';
COMMENT ON COLUMN tenant.id IS 'identifier';
COMMENT ON COLUMN tenant.object_id IS 'the resource that manages this row; null: unmanaged';
COMMENT ON COLUMN tenant.parent_id IS 'the tenant above; null for a root';
COMMENT ON COLUMN tenant.root_id IS 'the root of its tree';
COMMENT ON COLUMN tenant.name IS 'unique below its parent';
COMMENT ON COLUMN tenant.path IS 'names from the root, for instance /acme/north';
COMMENT ON COLUMN tenant.display_name IS 'shown to people';
COMMENT ON COLUMN tenant.enabled IS 'false: nobody here or below may do anything';
COMMENT ON COLUMN tenant.permitted IS 'false: the parent no longer admits this namespace; as if disabled';
COMMENT ON COLUMN tenant.allowed_namespaces IS 'where child tenants may live';
COMMENT ON COLUMN tenant.max_devices IS 'limit for the subtree; null: only the ancestors'' limits';
COMMENT ON COLUMN tenant.max_tenants IS 'limit for the subtree, itself not counted';
COMMENT ON COLUMN tenant.max_accounts IS 'limit for the subtree';
COMMENT ON COLUMN tenant.account_limits IS 'limits by tier and by role';
COMMENT ON COLUMN tenant.owner_name IS 'name of the SubAdmin that owns the subscription';
COMMENT ON COLUMN tenant.mail IS 'outgoing mail settings, without secrets';
COMMENT ON COLUMN tenant.branding IS 'product name and support address';
COMMENT ON COLUMN tenant.deletion_policy IS 'Refuse, Retain or Cascade';
COMMENT ON COLUMN tenant.managed_by IS 'the account that answers for it; null: the platform';
COMMENT ON COLUMN tenant.created_at IS 'when the row was made';
COMMENT ON TABLE tenant_ancestor IS 'every tenant with each of its ancestors and itself (distance 0)';
COMMENT ON COLUMN tenant_ancestor.tenant_id IS 'the tenant';
COMMENT ON COLUMN tenant_ancestor.ancestor_id IS 'itself or one above';
COMMENT ON COLUMN tenant_ancestor.distance IS 'levels between them';
COMMENT ON TABLE account IS 'an account of any level below the platform itself';
COMMENT ON COLUMN account.id IS 'identifier';
COMMENT ON COLUMN account.object_id IS 'the resource that manages this row; null: unmanaged';
COMMENT ON COLUMN account.tenant_id IS 'the tenant it belongs to';
COMMENT ON COLUMN account.name IS 'name of its SubAdmin';
COMMENT ON COLUMN account.username IS 'as written';
COMMENT ON COLUMN account.username_key IS 'case-folded, unique';
COMMENT ON COLUMN account.email IS 'the login';
COMMENT ON COLUMN account.email_key IS 'case-folded, unique';
COMMENT ON COLUMN account.pending_email IS 'a new address that its owner has not proved yet';
COMMENT ON COLUMN account.pending_email_key IS 'case-folded';
COMMENT ON COLUMN account.company IS 'optional';
COMMENT ON COLUMN account.mobile IS 'optional';
COMMENT ON COLUMN account.tier IS 'Root, SuperAdmin, Admin or Basic (R1)';
COMMENT ON COLUMN account.enabled IS 'false: denied everything';
COMMENT ON COLUMN account.email_verified IS 'the address is proved';
COMMENT ON COLUMN account.password_hash IS 'argon2id, PHC string';
COMMENT ON COLUMN account.activated_at IS 'when the invitation was completed';
COMMENT ON COLUMN account.locale IS 'language of its mails';
COMMENT ON COLUMN account.link_lifetime IS 'seconds that a link stays valid';
COMMENT ON COLUMN account.manageable_devices IS 'devices it may hold and delegate (R3); null: counts against the nearest above';
COMMENT ON COLUMN account.capabilities IS 'as written; null: by tier';
COMMENT ON COLUMN account.scope IS 'manageable scope as written; null: its tenant and below';
COMMENT ON COLUMN account.permissions IS 'own allow and deny rules';
COMMENT ON COLUMN account.individual_access IS 'override; null: its roles decide (R5)';
COMMENT ON COLUMN account.effective IS 'capabilities and individual access as computed';
COMMENT ON COLUMN account.deletion_policy IS 'Delete or Disable';
COMMENT ON COLUMN account.managed_by IS 'the account that answers for it; null: the platform';
COMMENT ON COLUMN account.created_at IS 'when the row was made';
COMMENT ON TABLE account_ancestor IS 'every account with each manager above it and itself (distance 0)';
COMMENT ON COLUMN account_ancestor.account_id IS 'the account';
COMMENT ON COLUMN account_ancestor.ancestor_id IS 'itself or one above';
COMMENT ON COLUMN account_ancestor.distance IS 'levels between them';
COMMENT ON TABLE account_group IS 'user groups; a group is (tenant, name)';
COMMENT ON COLUMN account_group.account_id IS 'the member';
COMMENT ON COLUMN account_group.name IS 'name of the group in the member''s tenant';
COMMENT ON TABLE role IS 'a template of permissions (R6)';
COMMENT ON COLUMN role.id IS 'identifier';
COMMENT ON COLUMN role.object_id IS 'the resource that manages this row; null: unmanaged';
COMMENT ON COLUMN role.tenant_id IS 'usable there and below';
COMMENT ON COLUMN role.name IS 'unique in its tenant';
COMMENT ON COLUMN role.display_name IS 'shown to people';
COMMENT ON COLUMN role.content IS 'permissions, capabilities and individual access';
COMMENT ON COLUMN role.revision IS 'first 12 hex digits of SHA-256 over the canonical content';
COMMENT ON COLUMN role.number IS 'counts revisions, for people';
COMMENT ON COLUMN role.propagation IS 'OnReassign or Immediate';
COMMENT ON COLUMN role.managed_by IS 'the account that answers for it; null: the platform';
COMMENT ON COLUMN role.created_at IS 'when the row was made';
COMMENT ON TABLE role_revision IS 'every content that a role has had, so that a pin can be assigned';
COMMENT ON COLUMN role_revision.role_id IS 'the role';
COMMENT ON COLUMN role_revision.revision IS 'digest of the content';
COMMENT ON COLUMN role_revision.number IS 'for people';
COMMENT ON COLUMN role_revision.content IS 'permissions, capabilities and individual access';
COMMENT ON COLUMN role_revision.created_at IS 'when it was first seen';
COMMENT ON TABLE account_role IS 'a role as copied to an account when it was assigned (R6)';
COMMENT ON COLUMN account_role.account_id IS 'the account';
COMMENT ON COLUMN account_role.position IS 'order as written';
COMMENT ON COLUMN account_role.role_id IS 'the template; null when it is gone, the copy stays';
COMMENT ON COLUMN account_role.namespace IS 'namespace of the template';
COMMENT ON COLUMN account_role.name IS 'name of the template';
COMMENT ON COLUMN account_role.revision IS 'the revision copied';
COMMENT ON COLUMN account_role.pinned IS 'the spec names this revision';
COMMENT ON COLUMN account_role.content IS 'the copy in force';
COMMENT ON TABLE device IS 'the inventory; written by the platform or by an import';
COMMENT ON COLUMN device.id IS 'identifier of the platform';
COMMENT ON COLUMN device.unit_id IS 'second identifier';
COMMENT ON COLUMN device.name IS 'shown to people';
COMMENT ON COLUMN device.labels IS 'key and value pairs';
COMMENT ON COLUMN device.home_tenant IS 'who holds it when nothing is assigned; null: nobody yet';
COMMENT ON COLUMN device.holder_tenant IS 'who holds it now';
COMMENT ON COLUMN device.holder_account IS 'the account that holds it now, if one does';
COMMENT ON COLUMN device.created_at IS 'when the row was made';
COMMENT ON TABLE device_label IS 'labels, one row each, for selectors';
COMMENT ON COLUMN device_label.device_id IS 'the device';
COMMENT ON COLUMN device_label.name IS 'label key';
COMMENT ON COLUMN device_label.value IS 'label value';
COMMENT ON TABLE device_grant IS 'which devices, to whom, to do what';
COMMENT ON COLUMN device_grant.id IS 'identifier';
COMMENT ON COLUMN device_grant.object_id IS 'the resource that manages this row; null: unmanaged';
COMMENT ON COLUMN device_grant.tenant_id IS 'the granting tenant';
COMMENT ON COLUMN device_grant.namespace IS 'namespace of the resource, for claims of the same age';
COMMENT ON COLUMN device_grant.name IS 'unique in its tenant';
COMMENT ON COLUMN device_grant.mode IS 'Assign or Share';
COMMENT ON COLUMN device_grant.project IS 'label that groups grants';
COMMENT ON COLUMN device_grant.selection IS 'ids, unit ids, selector or all, as written';
COMMENT ON COLUMN device_grant.permissions IS 'allow and deny rules';
COMMENT ON COLUMN device_grant.not_before IS 'inclusive; null: at once';
COMMENT ON COLUMN device_grant.expires_at IS 'exclusive; null: never';
COMMENT ON COLUMN device_grant.reclaim IS 'ReturnToGrantor or Retain';
COMMENT ON COLUMN device_grant.managed_by IS 'the account that gives; null: the platform';
COMMENT ON COLUMN device_grant.born IS 'age of the claim';
COMMENT ON COLUMN device_grant.created_at IS 'when the row was made';
COMMENT ON TABLE grant_receiver IS 'who receives a grant: a tenant, an account or a group';
COMMENT ON COLUMN grant_receiver.grant_id IS 'the grant';
COMMENT ON COLUMN grant_receiver.position IS 'order as written';
COMMENT ON COLUMN grant_receiver.tenant_id IS 'the tenant, or the tenant of the group';
COMMENT ON COLUMN grant_receiver.account_id IS 'the account';
COMMENT ON COLUMN grant_receiver.group_name IS 'the group';
COMMENT ON TABLE grant_device IS 'each device that a grant names or selects, and what became of it';
COMMENT ON COLUMN grant_device.grant_id IS 'the grant';
COMMENT ON COLUMN grant_device.device_id IS 'the device; it may not exist yet';
COMMENT ON COLUMN grant_device.state IS 'applied, pending, refused, waiting or idle';
COMMENT ON COLUMN grant_device.why IS 'reason when not applied';
COMMENT ON TABLE device_assignment IS 'who gave a device to whom, from its home (position 0) on';
COMMENT ON COLUMN device_assignment.device_id IS 'the device';
COMMENT ON COLUMN device_assignment.position IS 'place in the chain';
COMMENT ON COLUMN device_assignment.grant_id IS 'the Assign';
COMMENT ON COLUMN device_assignment.giver_tenant IS 'who gave it';
COMMENT ON COLUMN device_assignment.giver_account IS 'the account that gave it, if one did';
COMMENT ON COLUMN device_assignment.receiver_tenant IS 'the tenant that received it, or whose account did';
COMMENT ON COLUMN device_assignment.receiver_account IS 'the account that received it';
COMMENT ON TABLE activation IS 'links sent to people; the token is derived from the nonce and never stored (R8)';
COMMENT ON COLUMN activation.id IS 'identifier';
COMMENT ON COLUMN activation.account_id IS 'whose';
COMMENT ON COLUMN activation.purpose IS 'Activate, Confirm, SetPassword or ChangeEmail';
COMMENT ON COLUMN activation.nonce IS 'random; useless without the key';
COMMENT ON COLUMN activation.issued_at IS 'when it was queued';
COMMENT ON COLUMN activation.expires_at IS 'no longer valid from then on';
COMMENT ON COLUMN activation.state IS 'open, used or replaced';
COMMENT ON COLUMN activation.used_at IS 'when it was used';
COMMENT ON TABLE outbox IS 'mails to send, written in the transaction that decides them';
COMMENT ON COLUMN outbox.id IS 'identifier';
COMMENT ON COLUMN outbox.activation_id IS 'the link to send';
COMMENT ON COLUMN outbox.account_id IS 'to whom';
COMMENT ON COLUMN outbox.message_id IS 'stable, so that a repeated mail can be recognised';
COMMENT ON COLUMN outbox.state IS 'queued, sent, failed or dropped';
COMMENT ON COLUMN outbox.attempts IS 'how often it was tried';
COMMENT ON COLUMN outbox.queued_at IS 'when it was decided';
COMMENT ON COLUMN outbox.due_at IS 'next attempt';
COMMENT ON COLUMN outbox.claimed_by IS 'the worker that is sending it';
COMMENT ON COLUMN outbox.claimed_until IS 'when another may take it over';
COMMENT ON COLUMN outbox.sent_at IS 'when the server accepted it';
COMMENT ON COLUMN outbox.problem IS 'why the last attempt failed, without addresses';
COMMENT ON TABLE audit IS 'what happened (R11); appended in the transaction, chained afterwards';
COMMENT ON COLUMN audit.id IS 'identifier, in order of time';
COMMENT ON COLUMN audit.sequence IS 'place in the chain; null: not sealed yet';
COMMENT ON COLUMN audit.at IS 'when';
COMMENT ON COLUMN audit.actor IS 'on whose authority';
COMMENT ON COLUMN audit.action IS 'what was done';
COMMENT ON COLUMN audit.kind IS 'kind of the resource';
COMMENT ON COLUMN audit.namespace IS 'its namespace';
COMMENT ON COLUMN audit.name IS 'its name';
COMMENT ON COLUMN audit.tenant_id IS 'the tenant it lies in';
COMMENT ON COLUMN audit.generation IS 'generation of the resource';
COMMENT ON COLUMN audit.before IS 'state before, personal values as keyed digests';
COMMENT ON COLUMN audit.after IS 'state after, personal values as keyed digests';
COMMENT ON COLUMN audit.digest IS 'hash over this entry and the one before it';
