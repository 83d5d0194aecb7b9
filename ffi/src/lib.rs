//! The C interface of Mailboat: `libmailboat.so` and `libmailboat.a`.
//!
//! One file per noun. Beside them:
//! - `status`: the status numbers, as constants.
//! - `guard`: what every exported function runs in. It turns errors into status numbers and
//!   stops panics at the border.
//! - `error`: the last error of each thread, put into words when somebody asks.
//! - `check`: the only place where raw arguments become Rust values.
//! - `options`: structs that begin with their size, so that they can grow.
//! - `time`: timeouts.
//!
//! The doc comments of exported items become the manual that is `include/mailboat.h` (`make
//! header`); they are written for C programmers, in the form that `tests/header.rs` checks.
//!
//! # Safety
//! What every exported `unsafe fn` asks of its caller, once for all: a handle argument is NULL or
//! was returned by the function that makes such handles and was not closed since; a pointer with a
//! length is NULL or leads to that many readable (outputs: writable) bytes or items; strings end
//! in a NUL byte. NULL and misaligned pointers are refused. The loan argument of one call is not
//! used by another thread meanwhile.

// The names are those of the C interface.
#![allow(non_camel_case_types)]

mod check;
mod guard;
mod options;

// The nouns, in the order in which the manual tells about them; the empty lines keep it.
mod status;

mod error;

mod time;

mod domain;

mod listing;

mod port;

mod message;

mod loan;

mod receipt;

mod segment;

mod queue;
