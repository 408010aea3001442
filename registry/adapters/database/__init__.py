"""The one database: tables, transactions and repositories."""
