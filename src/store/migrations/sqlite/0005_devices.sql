-- Chains of devices: what a grant gave may outlast it (`reclaim: Retain`), and
-- an Assign of thousands of devices is written in the time of few: a link's
-- device is checked by the database, its grant, giver and receiver, which are
-- the same for every link of a statement, by those who write them. The links of
-- a grant are found by its devices (`grant_device`): each of them is marked.

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
    PRIMARY KEY (device_id, position)
) STRICT, WITHOUT ROWID;

INSERT INTO device_assignment (device_id, position, grant_id, giver_tenant, giver_account, receiver_tenant, receiver_account)
    SELECT device_id, position, grant_id, giver_tenant, giver_account, receiver_tenant, receiver_account FROM former_assignment;
DROP TABLE former_assignment;

CREATE INDEX device_assignment_kept ON device_assignment (receiver_tenant) WHERE grant_id IS NULL;
CREATE INDEX device_assignment_account ON device_assignment (receiver_account) WHERE receiver_account IS NOT NULL;

CREATE TABLE former_device AS SELECT * FROM grant_device;
DROP TABLE grant_device;

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
) STRICT, WITHOUT ROWID;

INSERT INTO grant_device (grant_id, device_id, state, why) SELECT grant_id, device_id, state, why FROM former_device;
DROP TABLE former_device;

CREATE INDEX grant_device_device ON grant_device (device_id, state);
