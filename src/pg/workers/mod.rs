//! Background workers that share the work of a session.

pub mod crew;
pub mod shared;
