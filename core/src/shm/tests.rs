//! The algorithms over plain memory.
