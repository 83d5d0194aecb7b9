"""Plays scenarios with drivers, programs in several languages; see ../drivers/README.md."""
