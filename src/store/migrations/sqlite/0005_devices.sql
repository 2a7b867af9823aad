-- Chains of devices: what a grant gave may outlast it (`reclaim: Retain`), and
-- an Assign of thousands of devices is written in the time of few: a link's
-- device is checked by the database, its grant, giver and receiver, which are
-- the same for every link of a statement, by those who write them.

CREATE TABLE former_assignment AS SELECT * FROM device_assignment;
DROP TABLE device_assignment;

-- who gave a device to whom, from its home (position 0) on
CREATE TABLE device_assignment (
    -- the device
    device_id        TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    -- place in the chain
    position         INTEGER NOT NULL,
    -- the Assign; null: it has ended and its receiver keeps the device
    grant_id         TEXT,
    -- who gave it
    giver_tenant     TEXT NOT NULL,
    -- the account that gave it, if one did
    giver_account    TEXT,
    -- the tenant that received it, or whose account did
    receiver_tenant  TEXT NOT NULL,
    -- the account that received it
    receiver_account TEXT,
    PRIMARY KEY (device_id, position),
    UNIQUE (grant_id, device_id)
) STRICT, WITHOUT ROWID;

INSERT INTO device_assignment (device_id, position, grant_id, giver_tenant, giver_account, receiver_tenant, receiver_account)
    SELECT device_id, position, grant_id, giver_tenant, giver_account, receiver_tenant, receiver_account FROM former_assignment;
DROP TABLE former_assignment;

CREATE INDEX device_assignment_tenant ON device_assignment (receiver_tenant);
CREATE INDEX device_assignment_account ON device_assignment (receiver_account) WHERE receiver_account IS NOT NULL;
