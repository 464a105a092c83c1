create table products (
    id bigint generated always as identity primary key,
    name text not null,
    price numeric(10, 2) not null,
    sold bigint not null default 0
);
insert into products (name, price, sold) select 'product ' || n, n * 1.25, n % 977 from generate_series(1, 5000) n;
