//! Policy to tables: to be written.
