-- Whose turn it is, and what a cascade took (R9, R12).

-- how many objects of its kind are above it: parents come first
ALTER TABLE object ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;
-- its rows went when a tenant was removed with all it held
ALTER TABLE object ADD COLUMN cascaded INTEGER NOT NULL DEFAULT 0 CHECK (cascaded IN (0, 1));
-- root tenant of its tree as its source has it, namespace/name
ALTER TABLE object ADD COLUMN tree TEXT NOT NULL DEFAULT '';
