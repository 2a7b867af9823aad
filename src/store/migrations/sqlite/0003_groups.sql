-- Who created each user group (R2): a sub-administrator with a listed scope
-- manages the groups that are assigned to it and those that it created. A row
-- appears with a group's first member and goes with the last.

CREATE TABLE user_group (
    tenant_id  TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    created_by TEXT REFERENCES account (id) ON DELETE SET NULL,
    PRIMARY KEY (tenant_id, name)
) STRICT;
CREATE INDEX user_group_created_by ON user_group (created_by);
CREATE INDEX account_group_members ON account_group (name, account_id);

-- Nobody has written down who created the groups that exist already.
INSERT INTO user_group (tenant_id, name)
    SELECT DISTINCT c.tenant_id, g.name FROM account_group g JOIN account c ON c.id = g.account_id;
