//! Benchmarks live in the files beside this one; see `make bench`.
