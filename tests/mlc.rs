//! AIME's MLC: its own scripts beside ours.

mod aime;
