//! R1 and R2 without a database.
