#![no_main]

use libfuzzer_sys::fuzz_target;
use ottery_native::decode::Signal;

fuzz_target!(|request: &[u8]| {
    ottery_native::properties::protobuf(Signal::Traces, request);
    ottery_native::properties::clickhouse(Signal::Traces, request);
});
