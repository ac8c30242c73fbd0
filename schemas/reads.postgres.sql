-- The read models on PostgreSQL: the books about their tables, which the program makes, one for each build of a model.
-- cityos_projector owns all of it and runs this. Everything here can be made from the log again.

CREATE SCHEMA reads;
GRANT USAGE ON SCHEMA reads TO cityos_api, cityos_analyst;

-- `log` names the log the read models are made from, once it has an event.
CREATE TABLE reads.about (
    schema_version integer NOT NULL,
    log            uuid
);
INSERT INTO reads.about (schema_version) VALUES (1);

-- The tables there are, and every event up to which position is in them.
CREATE TABLE reads.builds (
    model       text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    build       bigint           NOT NULL,
    position    bigint           NOT NULL,
    PRIMARY KEY (model, fingerprint, build)
);

-- Which of them a version of the program reads,
CREATE TABLE reads.live (
    model       text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    build       bigint           NOT NULL,
    PRIMARY KEY (model, fingerprint)
);

-- which one is being filled,
CREATE TABLE reads.unfinished (
    model       text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    build       bigint           NOT NULL,
    PRIMARY KEY (model, fingerprint)
);

-- and which ones somebody has turned away from.
CREATE TABLE reads.rejected (
    model       text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    build       bigint           NOT NULL,
    PRIMARY KEY (model, fingerprint, build)
);

-- The keys at which the fold of a table stopped, as JSON that begins with the partition, and why. Whose table it is:
-- {model}_{fingerprint}_{build}.
CREATE TABLE reads.frozen (
    build    text COLLATE "C" NOT NULL,
    key      text COLLATE "C" NOT NULL,
    position bigint           NOT NULL,
    event    uuid             NOT NULL,
    error    text             NOT NULL,
    PRIMARY KEY (build, key)
);

-- Who works on the tables of a model, or did: it is true as long as their session holds the model's lock.
CREATE TABLE reads.claims (
    model   text COLLATE "C" NOT NULL PRIMARY KEY,
    backend bigint           NOT NULL,
    pid     bigint           NOT NULL,
    doing   text             NOT NULL,
    since   timestamptz      NOT NULL
);

ALTER TABLE reads.frozen ENABLE ROW LEVEL SECURITY;
ALTER TABLE reads.frozen FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON reads.frozen TO cityos_projector USING (true) WITH CHECK (true);
CREATE POLICY looked_at ON reads.frozen FOR SELECT TO cityos_analyst USING (true);
CREATE POLICY own ON reads.frozen FOR SELECT TO cityos_api
    USING (starts_with(key, '[{"Uuid":"' || current_setting('cityos.tenant', true) || '"}'));

GRANT SELECT ON reads.live, reads.frozen TO cityos_api;
GRANT SELECT ON ALL TABLES IN SCHEMA reads TO cityos_analyst;
