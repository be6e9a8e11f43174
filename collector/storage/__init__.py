"""Arrow schemas and ClickHouse tables, shared by the writer and the reader."""
