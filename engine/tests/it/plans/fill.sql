-- Fills every table that grows with rows as they look after many payments, from the catalog: a new table or column is filled
-- without a change here. The checks and foreign keys are dropped, because they do not decide how a statement is planned.

-- The id of row n: it grows with n as the ids of Pawl grow with time.
create function numbered(n bigint, salt text) returns uuid language sql immutable as $$
    select (lpad(to_hex(1790000000000 + n * 1000), 12, '0') || '7' || substr(md5(n || salt), 1, 3)
            || '8' || substr(md5(n || salt), 4, 15))::uuid
$$;

-- The account of row n. Seven accounts take turns, so the rows of one are scattered over the pages of a table: then the
-- planner likes to read all rows of an account and to sort them.
create function account_of(n bigint) returns uuid language sql immutable as $$
    select numbered(n % 7, 'account')
$$;

-- The value of a column in row n, as an expression.
create function value_of(relation text, name text, type text) returns text language sql as $$
    select case
        when name like 'lease%' then 'null'
        when name in ('revoked_at', 'revoked_because', 'used_at', 'ends_at', 'retires_at')
            then format('case when n %% 50 = 0 then %s end', case type when 'text' then '''logout''' else 'now()' end)
        when name in ('status', 'state') and type = 'text'
            then format('(array[%s])[case when n %% 500 < 4 then 2 + n %% 500 else 1 end]', case relation
                when 'job' then '''done'', ''queued'', ''queued'', ''dead'', ''queued'''
                when 'inbox' then '''applied'', ''received'', ''retrying'', ''dead'', ''deferred'''
                when 'inbox_open' then '''received'', ''received'', ''retrying'', ''dead'', ''deferred'''
                when 'delivery' then '''delivered'', ''pending'', ''failed'', ''skipped'', ''pending'''
                when 'webhook_endpoint' then '''enabled'', ''disabled'', ''deleted'', ''enabled'', ''enabled'''
                else '''succeeded'', ''created'', ''processing'', ''requires_action'', ''canceled''' end)
        when relation = 'account' and name = 'id' then 'numbered(n, ''account'')'
        when name = 'account_id' and relation = 'webhook_endpoint' then 'numbered(n, ''account'')'
        when name = 'account_id' then 'account_of(n)'
        when name in ('payment_id', 'stream') or (relation = 'payment' and name = 'id') then 'numbered(n, ''payment'')'
        when name = 'endpoint_id' then 'numbered(n, ''webhook_endpoint'')'
        when name = 'user_id' then 'numbered(n, ''app_user'')'
        when type = 'uuid' then format('numbered(n, %L)', relation)
        when name = 'shard' then 'n % 16'
        when name = 'number' or name = 'picks' or name = 'tries' then '1'
        when type in ('smallint', 'integer', 'bigint') then 'n % 30000'
        when type = 'text' then 'md5(n::text)'
        when type = 'text[]' then 'array[''*'']'
        when type = 'uuid[]' then 'array[numbered(n, ''payment'')]'
        when type like '%[]' then format('array[null]::%s', type)
        when type = 'bytea' then 'decode(md5(n::text), ''hex'')'
        when type in ('json', 'jsonb') then format('jsonb_build_object(''kind'', ''resync'', ''order'', n::text)::%s', type)
        when type = 'boolean' then 'false'
        when type = 'timestamp with time zone' then 'to_timestamp(1790000000 + n)'
        else format('null::%s', type)
    end
$$;

-- Adds the rows from `first` to `last` to each table that grows.
create procedure fill(first bigint, last bigint) language plpgsql as $$
declare
    relation text;
    columns text;
    expressions text;
begin
    for relation in
        select c.relname from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
        and c.relname not in ('audit_turn', 'edge', 'event_cursor', 'queue_pause', 'switch', 'signing_key', '_sqlx_migrations')
    loop
        select string_agg(quote_ident(a.attname), ', ' order by a.attnum),
               string_agg(value_of(relation, a.attname, format_type(a.atttypid, null)), ', ' order by a.attnum)
        into columns, expressions
        from pg_attribute a
        where a.attrelid = relation::regclass and a.attnum > 0 and not a.attisdropped
        and a.attgenerated = '' and a.attidentity = '';
        execute format('insert into %I (%s) select %s from generate_series($1, $2) as n', relation, columns, expressions)
            using first, last;
    end loop;
end
$$;

-- The rows above need not keep the rules between columns.
do $$
declare
    it record;
begin
    for it in
        select c.conrelid::regclass as relation, c.conname as name from pg_constraint c
        where c.connamespace = 'public'::regnamespace and c.contype in ('c', 'f')
    loop
        execute format('alter table %s drop constraint %I', it.relation, it.name);
    end loop;
    for it in
        select distinct t.tgrelid::regclass as relation from pg_trigger t where not t.tgisinternal
    loop
        execute format('alter table %s disable trigger user', it.relation);
    end loop;
end
$$;
