-- The key store on PostgreSQL, in a database of its own: never that of the log, nor in one backup with it. It has the tables of
-- keys.sqlite.sql. Whoever acts as cityos_app can neither give a person who was forgotten another key nor take one away from
-- somebody without forgetting them; nor change a secret, nor whose keys these are. Nobody else sees anything.

CREATE SCHEMA keys;

CREATE TABLE keys.about (
    schema_version integer NOT NULL,
    log            uuid
);
INSERT INTO keys.about (schema_version) VALUES (1);

CREATE TABLE keys.persons (
    tenant uuid  NOT NULL,
    person uuid  NOT NULL,
    key    bytea CHECK (octet_length(key) = 32),
    PRIMARY KEY (tenant, person)
);
-- A key that was destroyed lies in a dead row until this table is vacuumed: so that is done for every single one.
ALTER TABLE keys.persons SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0);

CREATE TABLE keys.lookups (
    tenant uuid  NOT NULL,
    hash   bytea NOT NULL,
    person uuid  NOT NULL,
    PRIMARY KEY (tenant, hash, person)
);
CREATE INDEX lookups_of_person ON keys.lookups (tenant, person);

CREATE TABLE keys.secrets (
    name text  NOT NULL PRIMARY KEY,
    key  bytea NOT NULL CHECK (octet_length(key) = 32)
);

-- The largest tree of the log's evidence that the secret `evidence` has signed: at most one.
CREATE TABLE keys.signed (
    one  boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (one),
    size bigint  NOT NULL,
    root bytea   NOT NULL CHECK (octet_length(root) = 32)
);

ALTER TABLE keys.about ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON keys.about FOR SELECT USING (true);
CREATE POLICY taken_once ON keys.about FOR UPDATE USING (log IS NULL) WITH CHECK (true);

ALTER TABLE keys.persons ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON keys.persons FOR SELECT USING (true);
CREATE POLICY made ON keys.persons FOR INSERT WITH CHECK (true);
CREATE POLICY forgotten ON keys.persons FOR UPDATE USING (true) WITH CHECK (key IS NULL);

GRANT USAGE ON SCHEMA keys TO cityos_app;
GRANT SELECT ON ALL TABLES IN SCHEMA keys TO cityos_app;
GRANT UPDATE (log) ON keys.about TO cityos_app;
GRANT INSERT, UPDATE (key) ON keys.persons TO cityos_app;
GRANT INSERT, DELETE ON keys.lookups TO cityos_app;
GRANT INSERT ON keys.secrets TO cityos_app;
GRANT INSERT, UPDATE (size, root) ON keys.signed TO cityos_app;
