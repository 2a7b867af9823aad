-- Whose turn it is, and what a cascade took (R9, R12).

ALTER TABLE object ADD COLUMN depth bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN object.depth IS 'how many objects of its kind are above it: parents come first';
ALTER TABLE object ADD COLUMN cascaded boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN object.cascaded IS 'its rows went when a tenant was removed with all it held';
ALTER TABLE object ADD COLUMN tree text COLLATE "C" NOT NULL DEFAULT '';
COMMENT ON COLUMN object.tree IS 'root tenant of its tree as its source has it, namespace/name';
