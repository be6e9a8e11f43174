//! Decodes one request many times, for a profiler: `cargo run --release --example spin -- FILE scan 1000`.

use std::time::Instant;

use ottery_native::context::Limits;
use ottery_native::decode::{Signal, decode, scan};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let request = std::fs::read(&arguments[1]).expect("the request file is readable");
    let rounds: usize = arguments[3].parse().expect("rounds are a number");
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let start = Instant::now();
        let items = if arguments[2] == "scan" {
            scan(Signal::Traces, &request, Limits::default()).map(|counts| counts.items)
        } else {
            decode(Signal::Traces, &[&request], Limits::default()).map(|(batch, _)| batch.num_rows())
        };
        let taken = start.elapsed().as_secs_f64() * 1e6;
        best = best.min(taken / items.map_err(|(_, fault)| fault).expect("the request is valid") as f64);
    }
    println!("{best:.3} us an item");
}
