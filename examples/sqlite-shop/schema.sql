create table customers (id integer primary key, email text not null, name text not null);
create table orders (
    id integer primary key,
    customer_id integer not null references customers (id),
    state text not null,
    total integer not null,
    placed_at text not null
);
