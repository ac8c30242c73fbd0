-- The roles CityOS acts under on PostgreSQL, in the database this is run in. An administrator runs it once in each; it may be
-- repeated. A login that CityOS uses owns nothing: grant it the roles of what it does, for a server
--     GRANT cityos_app, cityos_projector, cityos_api TO the_login;
-- and, where it may bring the tables to a new version, cityos_owner, too.

DO $$
DECLARE
    needed text;
BEGIN
    FOREACH needed IN ARRAY ARRAY['cityos_owner', 'cityos_app', 'cityos_projector', 'cityos_api', 'cityos_analyst'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = needed) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', needed);
        END IF;
    END LOOP;
    EXECUTE format('GRANT CREATE ON DATABASE %I TO cityos_owner, cityos_projector', current_database());
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO cityos_projector', current_database());
END $$;
