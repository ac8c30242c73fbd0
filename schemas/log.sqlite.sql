-- The log on SQLite. What the columns mean is described in log.md.

CREATE TABLE about (
    schema_version INTEGER NOT NULL
) STRICT;
INSERT INTO about (schema_version) VALUES (1);

CREATE TABLE events (
    position       INTEGER PRIMARY KEY,
    partition      BLOB    NOT NULL,
    kind           TEXT    NOT NULL,
    id             BLOB    NOT NULL,
    version        INTEGER NOT NULL,
    event_id       BLOB    NOT NULL,
    type           TEXT    NOT NULL,
    schema_version INTEGER NOT NULL,
    at             INTEGER NOT NULL,
    recorded_at    INTEGER NOT NULL,
    body           TEXT    NOT NULL,
    meta           TEXT    NOT NULL,
    UNIQUE (partition, kind, id, version)
) STRICT;

CREATE TABLE receipts (
    sequence    INTEGER PRIMARY KEY,
    partition   BLOB    NOT NULL,
    command     BLOB    NOT NULL,
    input       BLOB    NOT NULL,
    position    INTEGER NOT NULL,
    versions    TEXT    NOT NULL,
    recorded_at INTEGER NOT NULL,
    UNIQUE (partition, command)
) STRICT;
