-- Shared functions, roles' guard rails and the audit chain. Every room's schema.sql builds on these.

CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- The practices that this transaction may see. Unset means an error, never "everything" (promise: a stranger sees nothing).
CREATE FUNCTION allowed_practices() RETURNS bigint[] LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT current_setting('recare.practices')::bigint[] $$;

-- Turns on row-level security for a table whose rows belong to a practice. FORCE binds the owner too.
CREATE FUNCTION guard_by_practice(tbl regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tbl);
    EXECUTE format('CREATE POLICY practice_rows ON %s USING (practice_id = ANY ((SELECT allowed_practices())::bigint[]))'
                   ' WITH CHECK (practice_id = ANY ((SELECT allowed_practices())::bigint[]))', tbl);
END $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

-- Rows of an append-only table are evidence: the database itself refuses to change or remove them (SEC-05, I6).
CREATE FUNCTION guard_append_only(tbl regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION refuse_change()', tbl);
    EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', tbl);
END $$;

-- The last link of a chain is kept apart from it, so that cutting the newest links off shows. It only moves on: never back, never away (I6, SEC-06).
CREATE FUNCTION refuse_step_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR NEW.seq <= OLD.seq OR NEW.practice_id <> OLD.practice_id THEN
        RAISE EXCEPTION '% only moves forward: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION guard_chain_end(tbl regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER only_forward BEFORE UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION refuse_step_back()', tbl);
    EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', tbl);
END $$;

-- Tables that a bulk load has just filled have no statistics, and without them the planner loops where it should hash: hours instead of
-- seconds. ANALYZE needs the tables' owner, which the application is not; it reads samples only and shows nothing to the caller.
CREATE FUNCTION update_statistics(tbl regclass) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    EXECUTE format('ANALYZE %s', tbl);
END $$;

-- Who viewed, exported, changed, sent, approved. Chained per practice; `practice_id` 0 is the installation itself.
CREATE TABLE audit_entry (
    practice_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    verb text NOT NULL,
    object text NOT NULL DEFAULT '',
    detail jsonb NOT NULL DEFAULT '{}',
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (practice_id, id),
    UNIQUE (practice_id, seq)
);
SELECT guard_by_practice('audit_entry');
SELECT guard_append_only('audit_entry');

-- Figures that take long to count, with the moment they were counted. A copy for pages; nothing decides by it.
CREATE TABLE counted (
    practice_id bigint NOT NULL,
    what text NOT NULL,                    -- 'segments', 'report:12'
    figures jsonb,                         -- null = never counted
    counted_at timestamptz,
    wanted_at timestamptz,                 -- somebody waits for a new count
    done integer NOT NULL DEFAULT 0,       -- how far the count under way has come
    total integer NOT NULL DEFAULT 0,
    error text NOT NULL DEFAULT '',
    PRIMARY KEY (practice_id, what)
);
SELECT guard_by_practice('counted');

-- Last link of each trail, locked while a new entry is added.
CREATE TABLE audit_head (
    practice_id bigint PRIMARY KEY,
    seq bigint NOT NULL,
    hash bytea NOT NULL
);
SELECT guard_by_practice('audit_head');
SELECT guard_chain_end('audit_head');
