//! The same work done by two Python processes.

/// Runs the Python part with this interpreter; its figures.
pub fn run(interpreter: &str) -> Vec<(&'static str, f64)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/quick.py");
    let output = std::process::Command::new(interpreter).arg(script).output().expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("figures");
    let figure = |name: &str| answer[name].as_f64().expect("a number");
    vec![
        ("python, 64 B one way, polling, ns", figure("polling_ns")),
        ("python, 64 B one way, blocking calls, ns", figure("blocking_ns")),
        ("python, 64 B stream, M/s", figure("stream_per_us")),
    ]
}
