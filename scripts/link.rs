//! Keeps what no command needs out of all of them: a fifth of each was nothing else, and a tenth of a
//! start.
//!
//! Rust's own linker on this architecture knows these options.

#![expect(
    clippy::print_stdout,
    reason = "this is how a build script speaks to cargo"
)]

use std::{env, fs, io, path::PathBuf, process::Command};

/// No unwinding tables: a panic aborts, and nothing else would read them.
const NO_TABLES: &str = "SECTIONS { /DISCARD/ : { *(.eh_frame) } } INSERT AFTER .text;\n";

/// What Rust's standard library takes from `libgcc_s.so`, from the same library's static form: one
/// file less to find and map at every start. GCC's own `-static-libgcc` leaves a library alone that
/// is asked for by name.
const STATIC_LIBGCC: &str = "INPUT(-lgcc_eh -lgcc)\n";

fn main() -> io::Result<()> {
    // Where nothing is named, cargo links everything anew for any file that changes.
    println!("cargo:rerun-if-env-changed=PATH");
    let is = |variable, value| env::var(variable).is_ok_and(|is| is == value);
    if !is("CARGO_CFG_TARGET_ARCH", "x86_64") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return Ok(());
    }
    if glibc().is_some_and(|version| version >= (2, 36)) {
        // Relocations in the short form, that older loaders do not know.
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // Functions of different types that are the same code, once.
    println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    if is("PROFILE", "release") {
        let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
        fs::write(out.join("libgcc_s.so"), STATIC_LIBGCC)?;
        println!("cargo:rustc-link-arg-bins=-L{}", out.display());
        let script = out.join("link.ld");
        fs::write(&script, NO_TABLES)?;
        println!(
            "cargo:rustc-link-arg-bins=-Wl,--no-eh-frame-hdr,-T,{}",
            script.display()
        );
    }
    Ok(())
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
