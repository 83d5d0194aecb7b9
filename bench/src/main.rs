//! A first benchmark: ratios within one run, on two pinned cores, two processes.
//!
//! Every round runs all of the work, one after the other, so that a machine that changes its speed
//! changes it for all. Figures are medians over the rounds, with their spread; ratios are taken round
//! by round.

mod floor;
mod pair;
mod python;
mod work;

use std::collections::BTreeMap;

/// One figure per round, by name of the work.
type Figures = BTreeMap<&'static str, Vec<f64>>;

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn spread(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::MAX, f64::MIN), |(low, high), &v| (low.min(v), high.max(v)))
}

fn main() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(7);
    let python = std::env::args().nth(1);
    let place = format!("/dev/shm/mailboat-bench-{}", std::process::id());
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("MAILBOAT_DOMAIN", &place) };
    let mut figures = Figures::new();
    if std::env::var_os("ONLY_ALONE").is_some() {
        for _ in 0..20 {
            println!("{}", work::alone());
        }
        return;
    }
    for round in 0..rounds {
        eprint!("\rround {} of {rounds} ", round + 1);
        let mut note = |name, value: f64| figures.entry(name).or_default().push(value);
        note("cache line, ns", floor::cache_line());
        note("64 B one way, polling, ns", work::one_way_polling(64));
        note("64 B one way, blocking calls, ns", work::one_way_blocking(64));
        note("64 B stream, M/s", work::stream(64, 1));
        note("64 B stream in batches of 64, M/s", work::stream(64, 64));
        note("64 B sent and received by one thread, ns", work::alone());
        if std::env::var_os("MAILBOAT_BENCH_SHORT").is_some() {
            continue;
        }
        note("bare futex wake after idling, ns", floor::futex_wake());
        note("pipe, one way, blocking calls, ns", floor::pipe_ping_pong());
        note("pipe wake after idling, ns", floor::pipe_wake());
        note("wake after idling, ns", work::sleeping());
        note("open a port, us", work::open_port());
        note("create a port, us", work::create_port());
        note("1 MiB copied in and out, us", work::one_way_polling(1 << 20) / 1e3);
        note("two memcpy of 1 MiB, us", floor::two_copies(1 << 20) / 1e3);
        if let Some(python) = &python {
            for (name, value) in python::run(python) {
                note(name, value);
            }
        }
    }
    eprintln!();
    if std::env::var_os("MAILBOAT_BENCH_SHORT").is_none() {
        work::once(&mut figures);
    }
    report(&figures);
    let _ = std::fs::remove_dir_all(&place);
}

/// What is promised, as a ratio of two figures, and which way.
const GOALS: &[(&str, &str, &str, f64, bool)] = &[
    ("64 B polling / cache line", "64 B one way, polling, ns", "cache line, ns", 3.0, false),
    (
        "blocking calls / pipe",
        "64 B one way, blocking calls, ns",
        "pipe, one way, blocking calls, ns",
        0.5,
        false,
    ),
    (
        "wake after idling / pipe",
        "wake after idling, ns",
        "pipe wake after idling, ns",
        f64::INFINITY,
        false,
    ),
    (
        "wake after idling / bare futex",
        "wake after idling, ns",
        "bare futex wake after idling, ns",
        f64::INFINITY,
        false,
    ),
    (
        "1 MiB / two memcpy",
        "1 MiB copied in and out, us",
        "two memcpy of 1 MiB, us",
        f64::INFINITY,
        false,
    ),
    (
        "python polling / cache line",
        "python, 64 B one way, polling, ns",
        "cache line, ns",
        30.0,
        false,
    ),
];

fn report(figures: &Figures) {
    println!("| work | median | min | max |\n|---|---|---|---|");
    for (name, values) in figures {
        let (low, high) = spread(values);
        println!("| {name} | {:.1} | {low:.1} | {high:.1} |", median(values));
    }
    println!("\n| ratio | median | min | max | goal |\n|---|---|---|---|---|");
    let mut ratios = serde_json::Map::new();
    for &(name, a, b, goal, more) in GOALS {
        let (Some(a), Some(b)) = (figures.get(a), figures.get(b)) else { continue };
        let values: Vec<f64> = a.iter().zip(b).map(|(a, b)| a / b).collect();
        let (low, high) = spread(&values);
        let goal_text = match (goal.is_finite(), more) {
            (false, _) => "-".to_owned(),
            (_, true) => format!("at least {goal}"),
            (_, false) => format!("at most {goal}"),
        };
        println!("| {name} | {:.2} | {low:.2} | {high:.2} | {goal_text} |", median(&values));
        ratios.insert(name.to_owned(), serde_json::json!(values));
    }
    let result = serde_json::json!({ "figures": figures, "ratios": ratios });
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/results");
    let text = serde_json::to_string_pretty(&result).expect("numbers and names");
    if std::fs::create_dir_all(path)
        .and_then(|()| std::fs::write(format!("{path}/quick.json"), text))
        .is_err()
    {
        eprintln!("could not write {path}/quick.json");
    }
}
