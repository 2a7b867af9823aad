-- Who created each user group (R2): a sub-administrator with a listed scope
-- manages the groups that are assigned to it and those that it created. A row
-- appears with a group's first member and goes with the last.

CREATE TABLE user_group (
    tenant_id  uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    name       text COLLATE "C" NOT NULL,
    created_by uuid REFERENCES account (id) ON DELETE SET NULL,
    PRIMARY KEY (tenant_id, name)
);
CREATE INDEX user_group_created_by ON user_group (created_by);
CREATE INDEX account_group_members ON account_group (name, account_id);

-- Nobody has written down who created the groups that exist already.
INSERT INTO user_group (tenant_id, name)
    SELECT DISTINCT c.tenant_id, g.name FROM account_group g JOIN account c ON c.id = g.account_id;

COMMENT ON TABLE user_group IS 'every user group that has members, and who created it';
COMMENT ON COLUMN user_group.tenant_id IS 'the tenant whose accounts it groups';
COMMENT ON COLUMN user_group.name IS 'its name, unique in its tenant';
COMMENT ON COLUMN user_group.created_by IS 'the account on whose authority the first member was put in; null: the platform';
