create table users (
    id bigint generated always as identity primary key,
    tenant_id bigint not null,
    email text not null,
    is_active boolean not null default true,
    created_at timestamptz not null default now()
);
create table orders (
    id bigint generated always as identity primary key,
    customer_id bigint not null references users (id),
    state text not null,
    total bigint not null,
    placed_at timestamptz not null default now()
);
