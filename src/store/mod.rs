//! ALL SQL: schema, migrations, queries. Custody changes and their log entries share one transaction (invariant 4).
