//! `make install` into a scratch place, and programs built from there as a user would.

mod common;

use common::{OwnDomain, Scratch, built, cc, cxx, root, run, soname};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Cargo's output directory, so that `make install` takes what the tests have built.
fn output() -> &'static Path {
    built().shared.parent().unwrap()
}

fn make(target: &str, variables: &[String]) {
    let mut make = Command::new("make");
    // Not what a make that runs the tests has set.
    make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").env_remove("DESTDIR").env_remove("PREFIX");
    make.current_dir(root()).args(["-f", "mk/install.mk", target]).args(variables);
    run(make.arg(format!("BUILT={}", output().display())));
}

fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                let path = entry.path();
                found.push(path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    // There only when it was built.
    found.retain(|path| !path.ends_with("bin/mailboat"));
    found
}

fn pkg_config(directory: &Path, more: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", directory).args(more).arg("mailboat");
    run(&mut command).split_whitespace().map(str::to_owned).collect()
}

const PROGRAM: &str = r#"
#include <mailboat.h>
#include <stdio.h>
#include <string.h>
int main(void) {
  char buffer[10];
  size_t length = 0;
  mb_port *port;
  if (mb_port_create("installed", NULL, &port) != MB_OK) {
    fprintf(stderr, "%s\n", mb_last_error());
    return 1;
  }
  if (mb_port_send(port, "hello", 5, MB_FOREVER) != MB_OK) return 2;
  if (mb_port_receive(port, buffer, sizeof buffer, &length, MB_TRY) != MB_OK) return 3;
  if (length != 5 || memcmp(buffer, "hello", 5) != 0) return 4;
  if (strcmp(mb_version(), MB_HEADER_VERSION) != 0) return 5;
  if (mb_port_close(port) != MB_OK || mb_port_delete("installed") != MB_OK) return 6;
  puts(mb_version());
  return 0;
}
"#;

/// Runs a program that was linked, in a domain of its own; it prints the library's version.
fn check(program: &Path, libraries: &Path) {
    let domain = OwnDomain::new(program.file_name().unwrap().to_str().unwrap());
    let mut command = Command::new(program);
    command.env("MAILBOAT_DOMAIN", domain.path()).env("LD_LIBRARY_PATH", libraries);
    assert_eq!(run(&mut command).trim(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_program_is_built_with_pkg_config() {
    let scratch = Scratch::new("install");
    let prefix = scratch.join("prefix");
    make("install", &[format!("PREFIX={}", prefix.display())]);
    let version = env!("CARGO_PKG_VERSION");
    let expected = [
        "include/mailboat.h".to_owned(),
        "include/mailboat.hpp".to_owned(),
        "lib/libmailboat.a".to_owned(),
        "lib/libmailboat.so".to_owned(),
        format!("lib/{}", soname()),
        format!("lib/libmailboat.so.{version}"),
        "lib/pkgconfig/mailboat.pc".to_owned(),
    ];
    assert_eq!(files(&prefix), expected);
    let lib = prefix.join("lib");
    let pc = lib.join("pkgconfig");
    assert_eq!(pkg_config(&pc, &["--modversion"]), [version]);

    let source = scratch.join("program.c");
    std::fs::write(&source, PROGRAM).unwrap();
    let program = scratch.join("installed-shared");
    let flags = pkg_config(&pc, &["--cflags", "--libs"]);
    run(cc()
        .args(["-std=c99", "-Wall", "-Werror"])
        .arg(&source)
        .args(flags)
        .arg("-o")
        .arg(&program));
    check(&program, &lib);
    // The same file as C++, with the C++ header beside it.
    let as_cpp = scratch.join("program.cpp");
    std::fs::write(&as_cpp, format!("#include <mailboat.hpp>\n{PROGRAM}")).unwrap();
    let program = scratch.join("installed-cpp");
    let flags = pkg_config(&pc, &["--cflags", "--libs"]);
    run(cxx().arg("-std=c++17").arg(&as_cpp).args(flags).arg("-o").arg(&program));
    check(&program, &lib);

    make("uninstall", &[format!("PREFIX={}", prefix.display())]);
    assert_eq!(files(&prefix), Vec::<String>::new());
}

#[test]
fn a_program_is_linked_statically() {
    let scratch = Scratch::new("static");
    let prefix = scratch.join("prefix");
    make("install", &[format!("PREFIX={}", prefix.display())]);
    let lib = prefix.join("lib");
    let source = scratch.join("program.c");
    std::fs::write(&source, PROGRAM).unwrap();
    let flags = pkg_config(&lib.join("pkgconfig"), &["--static", "--cflags", "--libs"]);
    let nowhere = PathBuf::from("/nonexistent");

    // Mailboat from the archive, the system's libraries shared.
    let program = scratch.join("installed-archive");
    let mixed = flags.iter().map(|flag| match flag.as_str() {
        "-lmailboat" => "-l:libmailboat.a",
        other => other,
    });
    run(cc().arg(&source).args(mixed).arg("-o").arg(&program));
    check(&program, &nowhere);
    let needed = run(Command::new("readelf").arg("-d").arg(&program));
    assert!(!needed.contains("libmailboat"), "{needed}");

    // Everything in one file.
    let program = scratch.join("installed-static");
    run(cc().arg("-static").arg(&source).args(&flags).arg("-o").arg(&program));
    check(&program, &nowhere);
}

#[test]
fn packagers_install_into_a_staging_place() {
    let scratch = Scratch::new("destdir");
    let stage = scratch.join("stage");
    let variables = [
        format!("DESTDIR={}", stage.display()),
        "PREFIX=/usr".to_owned(),
        "LIBDIR=/usr/lib/some-linux-gnu".to_owned(),
    ];
    make("install", &variables);
    let lib = stage.join("usr/lib/some-linux-gnu");
    assert!(lib.join(soname()).exists() && lib.join("libmailboat.so").exists());
    let pc = std::fs::read_to_string(lib.join("pkgconfig/mailboat.pc")).unwrap();
    assert!(pc.contains("prefix=/usr\n") && pc.contains("libdir=${prefix}/lib/some-linux-gnu\n"));
    assert!(!pc.contains('@') && !pc.contains("stage"), "{pc}");
    make("uninstall", &variables);
    assert_eq!(files(&stage), Vec::<String>::new());
}
