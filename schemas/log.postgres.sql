-- The log on PostgreSQL. What the columns mean is described in log.md.

CREATE SCHEMA log;

CREATE TABLE log.about (
    schema_version integer NOT NULL
);
INSERT INTO log.about (schema_version) VALUES (1);

CREATE TABLE log.events (
    position       bigint           NOT NULL PRIMARY KEY,
    partition      uuid             NOT NULL,
    kind           text COLLATE "C" NOT NULL,
    id             uuid             NOT NULL,
    version        bigint           NOT NULL,
    event_id       uuid             NOT NULL,
    type           text COLLATE "C" NOT NULL,
    schema_version integer          NOT NULL,
    at             bigint           NOT NULL,
    recorded_at    bigint           NOT NULL,
    body           text COLLATE "C" NOT NULL,
    meta           text COLLATE "C" NOT NULL,
    UNIQUE (partition, kind, id, version)
);

CREATE TABLE log.receipts (
    sequence    bigint           NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition   uuid             NOT NULL,
    command     uuid             NOT NULL,
    input       bytea            NOT NULL,
    position    bigint           NOT NULL,
    versions    text COLLATE "C" NOT NULL,
    recorded_at bigint           NOT NULL,
    UNIQUE (partition, command)
);

REVOKE ALL ON SCHEMA log FROM PUBLIC;
GRANT USAGE ON SCHEMA log TO cityos_app, cityos_analyst;
GRANT SELECT ON log.about TO cityos_app, cityos_analyst;
GRANT SELECT, INSERT ON log.events TO cityos_app;
GRANT SELECT, INSERT, DELETE ON log.receipts TO cityos_app;
GRANT SELECT ON log.events TO cityos_analyst;
