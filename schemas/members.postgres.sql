-- The processes of a city that live, in the log's database: each says so twice a second. Nothing of it is written ahead: a
-- server that crashes forgets it, and a moment later everybody has said so again. `edition` stands for the read models and sagas
-- the program knows; `host` is where the server sees the process, if it comes over the network.

CREATE SCHEMA members;

CREATE TABLE members.about (
    schema_version integer NOT NULL
);
INSERT INTO members.about (schema_version) VALUES (1);

CREATE UNLOGGED TABLE members.living (
    id      uuid        PRIMARY KEY,
    duties  text[]      NOT NULL,
    edition uuid        NOT NULL,
    host    text,
    pid     bigint      NOT NULL,
    since   timestamptz NOT NULL,
    seen    timestamptz NOT NULL
);

GRANT USAGE ON SCHEMA members TO cityos_app, cityos_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA members TO cityos_app, cityos_analyst;
GRANT INSERT, UPDATE (seen), DELETE ON members.living TO cityos_app;
