//! Sealed files on the local disk and the order in which they become durable. Knows no database.
