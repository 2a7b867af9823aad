-- Chains of devices: what a grant gave may outlast it (`reclaim: Retain`), and
-- an Assign of thousands of devices is written in the time of few: a link's
-- device is checked by the database, its grant, giver and receiver, which are
-- the same for every link of a statement, by those who write them. The links of
-- a grant are found by its devices (`grant_device`): each of them is marked.

ALTER TABLE device_assignment
    ALTER COLUMN grant_id DROP NOT NULL,
    DROP CONSTRAINT device_assignment_grant_id_device_id_key,
    DROP CONSTRAINT device_assignment_grant_id_fkey,
    DROP CONSTRAINT device_assignment_giver_tenant_fkey,
    DROP CONSTRAINT device_assignment_giver_account_fkey,
    DROP CONSTRAINT device_assignment_receiver_tenant_fkey,
    DROP CONSTRAINT device_assignment_receiver_account_fkey;

-- What a tenant has been given is found by its grants; what it has kept, here.
DROP INDEX device_assignment_giver;
DROP INDEX device_assignment_tenant;
CREATE INDEX device_assignment_kept ON device_assignment (receiver_tenant) WHERE grant_id IS NULL;
DROP INDEX device_assignment_account;
CREATE INDEX device_assignment_account ON device_assignment (receiver_account) WHERE receiver_account IS NOT NULL;

COMMENT ON COLUMN device_assignment.grant_id IS 'the Assign; null: it has ended and its receiver keeps the device';
