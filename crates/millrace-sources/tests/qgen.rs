//! Drawn query parameters against the log of qgen, the TPC's own program.

use millrace_sources::kit::queries::Choice;
use millrace_sources::tpch::KIT;
use sha2::{Digest, Sha256};

/// Seed, scale factor and SHA-256 of the log that `qgen -r SEED -s SF -l LOG` of dbgen 2.14 writes.
const QGEN: &[(i64, f64, &str)] = &[
    (1, 1.0, "1fbbe9eed5eaef23686d8185ca8973fffc402dc3a1748666f65b22043890c411"),
    (19940101, 1.0, "d3c2cf06d6c415403ce26e8819bf556370d13822ef4f1dbb64997e883652ff27"),
    (1231235959, 1.0, "fd53f8976bf5c149730d0750c3cdaf728911364cf8a2902187fef4832d86b9ff"),
    (2147483646, 100.0, "5d1bde985e5ba0573bae91121d224eef4553f41bc3c82d06a1e46ad9d2897481"),
    (42, 0.01, "5af80c4892fef63a9a8a48897b0e690e3efc60cbb024006d27d6d3394b4fb39c"),
];

#[test]
fn parameters_are_qgens() {
    for &(seed, sf, expected) in QGEN {
        let choice = Choice::Drawn { seed, sf };
        let mut log = String::new();
        for query in 1..=KIT.query_count() {
            log += &query.to_string();
            for (_, value) in (KIT.queries.parameters)(query, choice) {
                log += "\t";
                log += &value;
            }
            log += "\n";
        }
        let sum: String = Sha256::digest(&log).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(sum, expected, "seed {seed}, scale factor {sf}:\n{log}");
    }
}
