//! Repeats one job on a traces request, for a profiler:
//! `cargo run --profile profile --no-default-features --example spin -- FILE scan|decode|encode|bytes|columns 1000`.
//! The last two make rows for ClickHouse.

use std::time::Instant;

use ottery_native::clickhouse::batch::{Batch, Source};
use ottery_native::context::Limits;
use ottery_native::decode::{Signal, decode, scan};
use ottery_native::encode::encode;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let request = std::fs::read(&arguments[1]).expect("the request file is readable");
    let rounds: usize = arguments[3].parse().expect("rounds are a number");
    let limits = Limits::default();
    let (columns, counts) = decode(Signal::Traces, &[&request], limits).expect("the request is valid");
    let rows = |source| drop(Batch::read(Signal::Traces, &[source], limits, 1).expect("what was read"));
    let job: Box<dyn Fn()> = match arguments[2].as_str() {
        "scan" => Box::new(|| drop(scan(Signal::Traces, &request, limits))),
        "decode" => Box::new(|| drop(decode(Signal::Traces, &[&request], limits))),
        "encode" => Box::new(|| drop(encode(Signal::Traces, &columns))),
        "bytes" => Box::new(|| rows(Source::Request(&request))),
        _ => Box::new(|| rows(Source::Columns(&columns))),
    };
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let start = Instant::now();
        job();
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / counts.items as f64);
    }
    println!("{best:.3} us an item");
}
