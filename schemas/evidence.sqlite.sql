-- The evidence of a log on SQLite: the leaves of its Merkle tree, 72 bytes each and 256 of them a tile, the root over
-- each tile that is full, and every checkpoint that was signed. log.md describes leaves and checkpoints.

CREATE TABLE about (
    schema_version INTEGER NOT NULL
) STRICT;
INSERT INTO about (schema_version) VALUES (1);

CREATE TABLE tiles (
    number INTEGER PRIMARY KEY,
    root   BLOB,
    leaves BLOB NOT NULL
) STRICT;

CREATE TABLE checkpoints (
    number INTEGER PRIMARY KEY,
    note   TEXT NOT NULL
) STRICT;
