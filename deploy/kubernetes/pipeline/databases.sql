-- Run once, by PostgreSQL's image, when its volume is empty: Airflow and the store each have a
-- database, since both keep their migrations in a table of the same name.
CREATE DATABASE airflow OWNER cryptodask;
