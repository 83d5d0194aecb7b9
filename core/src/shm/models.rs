//! Models for the model checker.
