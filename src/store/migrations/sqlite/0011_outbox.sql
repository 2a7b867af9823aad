-- The queue of mails alone, in the order in which they are claimed: what has
-- been sent long ago is not in the way.
CREATE INDEX outbox_queue ON outbox (due_at, id) WHERE state = 'queued';
DROP INDEX outbox_due;
