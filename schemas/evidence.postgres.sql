-- The evidence of a log on PostgreSQL, in the log's database: what evidence.sqlite.sql has, for every generation of it. Evidence
-- that was put aside keeps the name it was put aside under; nobody but the owner can take any of it away.

CREATE SCHEMA evidence;

CREATE TABLE evidence.about (
    schema_version integer NOT NULL
);
INSERT INTO evidence.about (schema_version) VALUES (1);

CREATE TABLE evidence.generations (
    number integer PRIMARY KEY,
    aside  text    UNIQUE
);
INSERT INTO evidence.generations (number) VALUES (1);
CREATE UNIQUE INDEX one_generation_in_use ON evidence.generations ((aside IS NULL)) WHERE aside IS NULL;

CREATE TABLE evidence.tiles (
    generation integer NOT NULL REFERENCES evidence.generations,
    number     bigint  NOT NULL,
    root       bytea,
    leaves     bytea   NOT NULL,
    PRIMARY KEY (generation, number)
);
-- Hashes cannot be packed any closer.
ALTER TABLE evidence.tiles ALTER COLUMN leaves SET STORAGE EXTERNAL;

CREATE TABLE evidence.checkpoints (
    generation integer NOT NULL REFERENCES evidence.generations,
    number     bigint  NOT NULL,
    note       text    NOT NULL,
    PRIMARY KEY (generation, number)
);

GRANT USAGE ON SCHEMA evidence TO cityos_app, cityos_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA evidence TO cityos_app, cityos_analyst;
GRANT INSERT, UPDATE (aside) ON evidence.generations TO cityos_app;
GRANT INSERT, UPDATE (root, leaves) ON evidence.tiles TO cityos_app;
GRANT INSERT ON evidence.checkpoints TO cityos_app;
