//! Tests that run inside the server.

#[pgrx::pg_schema]
mod tests {}
