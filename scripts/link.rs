//! Keeps what no command needs out of all of them: a fifth of each was nothing else.
//!
//! Rust's own linker on this architecture knows these options.

#![expect(
    clippy::print_stdout,
    reason = "this is how a build script speaks to cargo"
)]

use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=scripts/link.rs");
    println!("cargo:rerun-if-changed=scripts/link.ld");
    let is = |variable, value| env::var(variable).is_ok_and(|is| is == value);
    if !is("CARGO_CFG_TARGET_ARCH", "x86_64") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return;
    }
    if glibc().is_some_and(|version| version >= (2, 36)) {
        // Relocations in the short form, that older loaders do not know.
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // Functions of different types that are the same code, once.
    println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    if is("PROFILE", "release") {
        println!(
            "cargo:rustc-link-arg-bins=-Wl,--no-eh-frame-hdr,-T,{}/scripts/link.ld",
            env!("CARGO_MANIFEST_DIR")
        );
    }
}

/// The version of this host's C library: the commands run where they are built, or on a newer one.
fn glibc() -> Option<(u32, u32)> {
    let told = Command::new("getconf")
        .arg("GNU_LIBC_VERSION")
        .output()
        .ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    let (major, minor) = told.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
