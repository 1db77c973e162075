"""How the tables of a store are made and changed, by Alembic."""
