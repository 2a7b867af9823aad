-- Chains of devices: what a grant gave may outlast it (`reclaim: Retain`), and
-- an Assign of thousands of devices is written in the time of few: a link's
-- device is checked by the database, its grant, giver and receiver, which are
-- the same for every link of a statement, by those who write them.

ALTER TABLE device_assignment
    ALTER COLUMN grant_id DROP NOT NULL,
    DROP CONSTRAINT device_assignment_grant_id_fkey,
    DROP CONSTRAINT device_assignment_giver_tenant_fkey,
    DROP CONSTRAINT device_assignment_giver_account_fkey,
    DROP CONSTRAINT device_assignment_receiver_tenant_fkey,
    DROP CONSTRAINT device_assignment_receiver_account_fkey;

DROP INDEX device_assignment_giver;
DROP INDEX device_assignment_account;
CREATE INDEX device_assignment_account ON device_assignment (receiver_account) WHERE receiver_account IS NOT NULL;

COMMENT ON COLUMN device_assignment.grant_id IS 'the Assign; null: it has ended and its receiver keeps the device';
