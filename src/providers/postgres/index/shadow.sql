-- Builds each wanted or live definition on an empty copy of its table, reads back what the server makes of it, and undoes everything.
-- In: the setting evenkeel.shadow, a list of tables with their jobs. Out: the same setting, a list of answers.
-- Each table and each build sits in a block that ends in an error of its own, so that locks and files go at once.
do $shadow$
declare
    tables jsonb := current_setting('evenkeel.shadow')::jsonb;
    answers jsonb := '[]';
    entry jsonb;
    job jsonb;
    fields text;
    statement text;
    definition text;
    before text;
    state text;
    message text;
    hint text;
    culprit text;
begin
    for entry in select value from jsonb_array_elements(tables) loop
        begin
            select string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                    case when a.attcollation <> 0 then format(' collate %I.%I', n.nspname, c.collname) end), ', ' order by a.attnum)
                into fields
                from pg_attribute a left join pg_collation c on c.oid = a.attcollation left join pg_namespace n on n.oid = c.collnamespace
                where a.attrelid = format('%I.%I', entry->>'schema', entry->>'table')::regclass and a.attnum > 0 and not a.attisdropped;
            execute format('create temporary table %I (%s)', entry->>'table', fields);
            for job in select value from jsonb_array_elements(entry->'jobs') loop
                begin
                    statement := format(job->>'frame', entry->>'table', job->>'columns')
                        || (job->>'include') || (job->>'tail') || (job->>'where');
                    definition := null;
                    for round in 1..(job->>'rounds')::int loop
                        before := definition;
                        begin
                            perform set_config('search_path', case when round = 1 then job->>'path' else 'pg_catalog' end, true);
                            execute statement;
                            perform set_config('search_path', 'pg_catalog', true);
                            select pg_get_indexdef(x.indexrelid, 0, true) into strict definition
                                from pg_index x join pg_class t on t.oid = x.indrelid
                                where t.relname = entry->>'table' and t.relnamespace = pg_my_temp_schema();
                            raise exception using errcode = 'EKEND';
                        exception when sqlstate 'EKEND' then null;
                        end;
                        exit when definition = before;
                        statement := definition;
                    end loop;
                    answers := answers || jsonb_build_object('job', job->'job', 'definition', definition);
                exception when others then
                    get stacked diagnostics state = returned_sqlstate, message = message_text, hint = pg_exception_hint;
                    -- Which part is at fault: the columns, if they fail alone; the predicate, if it fails with the columns alone.
                    perform set_config('search_path', job->>'path', true);
                    culprit := 'columns';
                    begin
                        execute format(job->>'frame', entry->>'table', job->>'columns');
                        raise exception using errcode = 'EKEND';
                    exception when sqlstate 'EKEND' then
                        begin
                            culprit := 'where';
                            execute format(job->>'frame', entry->>'table', job->>'columns') || (job->>'where');
                            raise exception using errcode = 'EKEND';
                        exception when sqlstate 'EKEND' then culprit := 'rest';
                            when others then null;
                        end;
                        when others then null;
                    end;
                    perform set_config('search_path', 'pg_catalog', true);
                    answers := answers || jsonb_build_object('job', job->'job', 'state', state, 'message', message, 'hint', hint,
                        'culprit', culprit);
                end;
            end loop;
            raise exception using errcode = 'EKEND';
        exception when sqlstate 'EKEND' then null;
        end;
    end loop;
    perform set_config('evenkeel.shadow', answers::text, true);
end
$shadow$
