-- The key store on SQLite: the keys of persons, how persons are found, and the installation's own secrets.
-- A person who was forgotten keeps a row without a key, so that nobody makes a new one. `log` names the log
-- that the keys belong to, once it has an event.

CREATE TABLE about (
    schema_version INTEGER NOT NULL,
    log            BLOB
) STRICT;
INSERT INTO about (schema_version) VALUES (1);

CREATE TABLE persons (
    tenant BLOB NOT NULL,
    person BLOB NOT NULL,
    key    BLOB,
    PRIMARY KEY (tenant, person)
) STRICT, WITHOUT ROWID;

CREATE TABLE lookups (
    tenant BLOB NOT NULL,
    hash   BLOB NOT NULL,
    person BLOB NOT NULL,
    PRIMARY KEY (tenant, hash, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX lookups_of_person ON lookups (tenant, person);

CREATE TABLE secrets (
    name TEXT NOT NULL PRIMARY KEY,
    key  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The largest tree of the log's evidence that the secret `evidence` has signed.
CREATE TABLE signed (
    size INTEGER NOT NULL PRIMARY KEY,
    root BLOB    NOT NULL
) STRICT;
