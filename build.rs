//! Keeps what no command needs out of all of them: a quarter of each was nothing else.
//!
//! Rust's own linker on this architecture knows these options; another one, or another C library,
//! makes larger commands that work the same.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |variable, value| env::var(variable).is_ok_and(|is| is == value);
    if !is("CARGO_CFG_TARGET_ARCH", "x86_64") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return;
    }
    // Relocations in the short form, that glibc knows since 2.36: Debian 12 has it. A loader that
    // does not know it says so.
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    // Functions of different types that are the same code, once.
    println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    if is("PROFILE", "release") {
        println!(
            "cargo:rustc-link-arg-bins=-Wl,--no-eh-frame-hdr,-T,{}/linker.ld",
            env!("CARGO_MANIFEST_DIR")
        );
    }
}
