create extension if not exists pg_trgm;;
create extension if not exists btree_gin;;
create extension if not exists btree_gist;;
create extension if not exists citext;;
create schema sales;;
create type public.mood as enum ('sad', 'ok', 'happy');;
create domain public.code as varchar(10);;
create collation public.numeric_order (provider = icu, locale = 'en-u-kn-true');;
create function public.shout(text) returns text language sql immutable as 'select upper($1)';;
create table users (
    id bigint primary key, tenant_id int not null, email varchar(200), name text, nick text collate "C", ci citext,
    status varchar(20), mood mood, code code, is_active boolean default true, age int, score numeric(10,2), ratio double precision,
    created_at timestamptz default now(), updated_at timestamp, born date, at_time time, took interval,
    tags text[], ids int[], data jsonb, extra json, uid uuid, ip inet, net cidr, span tstzrange, pos point, area box,
    body text, tsv tsvector, bits bit(8), raw bytea, "Weird Col" text, "order" int, "naïve" text, c char(4)
);;
insert into users (id, tenant_id, email, name, status, age, created_at)
    select i, i % 50, 'u' || i || '@example.com', 'name ' || i, case i % 3 when 0 then 'open' else 'closed' end, i % 90, now() - i * interval '1 hour'
    from generate_series(1, 2000) i;;
create table sales.orders (id bigint primary key, user_id bigint, total numeric, placed timestamptz);;
create table sales.users (id bigint, email text);;
create table "Weird ""T" (a int, "B c" text);;
create table events (id bigint, at timestamptz not null, kind text) partition by range (at);;
create table events_1 partition of events for values from ('2024-01-01') to ('2025-01-01');;
create table events_2 partition of events for values from ('2025-01-01') to ('2026-01-01') partition by list (kind);;
create table events_2a partition of events_2 for values in ('a');;
create table events_2b partition of events_2 default;;
create materialized view totals as select tenant_id, count(*) as n from users group by 1;;
analyze
