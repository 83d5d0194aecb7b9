//! What the tests of the C and C++ faces share: the built library, compilers, scratch places.
// Each test program uses a part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, id};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Strict for users: what their compilers may be told to complain of.
pub const WARNINGS: &[&str] =
    &["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"];

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("ffi is in the workspace")
}

/// The libraries, as cargo builds them for users.
pub struct Built {
    pub shared: PathBuf,
    pub archive: PathBuf,
}

/// Builds the libraries with the profile and into the target directory of this test: a library of
/// this kind is no dependency of its own tests, so nobody else does.
pub fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root()).args(["build", "-p", "mailboat-ffi", "--message-format=json"]);
        cargo.arg("--target-dir").arg(target);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        // The messages name the files; no word in them but a path ends like this.
        let messages = run(&mut cargo);
        let file = |name: &str| {
            let found = messages.split('"').find(|word| word.ends_with(name));
            PathBuf::from(found.unwrap_or_else(|| panic!("cargo built no {name}: {messages}")))
        };
        Built { shared: file("/libmailboat.so"), archive: file("/libmailboat.a") }
    })
}

pub fn soname() -> String {
    std::fs::read_to_string(root().join("packaging/soname")).unwrap().trim().to_owned()
}

/// Runs a command, which must succeed within five minutes; returns what it printed.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let what = format!("{command:?}");
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    let process = child.id();
    // A program that hangs is a failure, not a test run without end.
    let (done, finished) = channel::<()>();
    let watch = std::thread::spawn(move || {
        let hangs = finished.recv_timeout(Duration::from_secs(300))
            == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
        if hangs {
            let _ = Command::new("kill").args(["-KILL", &process.to_string()]).status();
        }
        hangs
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    let hung = watch.join().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{what}: {}{}\n{stdout}\n{}",
        output.status,
        if hung { " (it hung)" } else { "" },
        String::from_utf8_lossy(&output.stderr)
    );
    stdout
}

fn compiler(variable: &str, usual: &str) -> Command {
    Command::new(std::env::var_os(variable).unwrap_or_else(|| usual.into()))
}

pub fn cc() -> Command {
    compiler("CC", "cc")
}

pub fn cxx() -> Command {
    compiler("CXX", "c++")
}

/// The sources of one language's tests.
pub fn sources(directory: &str, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(root().join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no tests in {directory}");
    found
}

/// A directory for what a test makes, removed with it.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Puts the shared library here under the name that programs ask for.
    pub fn with_library(self) -> Self {
        std::os::unix::fs::symlink(&built().shared, self.join(&soname())).unwrap();
        std::os::unix::fs::symlink(&built().shared, self.join("libmailboat.so")).unwrap();
        self
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A domain of a test's own; it and those that the test makes beside it (with the same beginning)
/// are removed with it.
pub struct OwnDomain(PathBuf);

impl OwnDomain {
    pub fn new(name: &str) -> Self {
        OwnDomain(PathBuf::from(format!("/dev/shm/mailboat-test-{}-{name}", id())))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for OwnDomain {
    fn drop(&mut self) {
        let own = self.0.file_name().unwrap().to_str().unwrap();
        for entry in std::fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name == own || name.strip_prefix(own).is_some_and(|rest| rest.starts_with('-')) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Compiles a test program against the shared library and runs it in a domain of its own.
#[track_caller]
pub fn compile_and_run(compiler: Command, source: &Path, standard: &str, more: &[&str]) {
    let mut compiler = compiler;
    let stem = source.file_stem().unwrap().to_str().unwrap();
    let name = format!("{stem}-{}-{}", standard.replace('+', "p"), more.len());
    let scratch = Scratch::new(&name).with_library();
    let program = scratch.join(stem);
    compiler.arg(format!("-std={standard}")).args(WARNINGS).args(more);
    compiler.args(["-g", "-D_GNU_SOURCE"]).arg("-I").arg(root().join("include")).arg(source);
    compiler
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(scratch.path())
        .args(["-lmailboat", "-lpthread"]);
    run(&mut compiler);
    let domain = OwnDomain::new(&name);
    run(Command::new(&program)
        .env("MAILBOAT_DOMAIN", domain.path())
        .env("LD_LIBRARY_PATH", scratch.path()));
}
