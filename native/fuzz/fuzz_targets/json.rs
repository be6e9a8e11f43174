#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| ottery_native::properties::json(document));
