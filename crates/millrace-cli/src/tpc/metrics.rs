//! Metrics from times in seconds: TPC-H's (clause 5.4 of its specification), and means.

/// Power@Size: 3600 times the scale factor, divided by the geometric mean of the power test's times. A query that took less
/// than a thousandth of the longest one counts as that thousandth.
pub fn power(sf: f64, queries: &[f64], refreshes: &[f64]) -> f64 {
    let least = queries.iter().copied().fold(0.0, f64::max) / 1000.0;
    let raised = queries.iter().map(|seconds| seconds.max(least));
    let times: Vec<f64> = raised.chain(refreshes.iter().copied()).collect();
    3600.0 * sf / geometric_mean(&times)
}

/// Throughput@Size: queries per hour of all streams, times the scale factor. The time is that from the first query's
/// begin to the end of the last query or refresh function.
pub fn throughput(sf: f64, queries: usize, seconds: f64) -> f64 {
    queries as f64 * 3600.0 / seconds * sf
}

/// QphH@Size: the geometric mean of the two.
pub fn composite(power: f64, throughput: f64) -> f64 {
    (power * throughput).sqrt()
}

pub fn geometric_mean(times: &[f64]) -> f64 {
    let logarithms: f64 = times.iter().copied().map(f64::ln).sum();
    (logarithms / times.len() as f64).exp()
}

/// How many query streams TPC-H's throughput test has at least (clause 5.3.4).
pub fn fewest_streams_of_tpch(sf: f64) -> i32 {
    let steps = [10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0, 30_000.0, 100_000.0];
    2 + steps.iter().filter(|step| sf >= **step).count() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) -> bool {
        (found / expected - 1.0).abs() < 1e-12
    }

    #[test]
    fn power_is_by_the_geometric_mean_of_24_times() {
        assert!(close(power(10.0, &[2.0; 22], &[2.0; 2]), 18_000.0));
        // 2 to the 22 × 1 and 2 × 13th power: a mean of 4.
        assert!(close(power(1.0, &[2.0; 22], &[2f64.powi(13); 2]), 900.0));
    }

    #[test]
    fn only_queries_are_raised_to_a_thousandth_of_the_longest() {
        let mut queries = [1.0; 22];
        queries[3] = 100.0;
        queries[7] = 0.001;
        let mut raised = queries;
        raised[7] = 0.1;
        assert!(close(power(1.0, &queries, &[0.001; 2]), power(1.0, &raised, &[0.001; 2])));
        assert!(power(1.0, &raised, &[0.1; 2]) < power(1.0, &raised, &[0.001; 2]));
    }

    #[test]
    fn throughput_is_queries_per_hour_times_scale() {
        assert!(close(throughput(3.0, 2 * 22, 60.0), 2.0 * 22.0 * 60.0 * 3.0));
        assert!(close(composite(400.0, 100.0), 200.0));
    }

    #[test]
    fn a_geometric_mean_is_that_of_the_factors() {
        assert!(close(geometric_mean(&[0.25, 1.0, 32.0]), 2.0));
        assert!(close(geometric_mean(&[7.0; 99]), 7.0));
    }

    #[test]
    fn larger_scale_factors_need_more_streams() {
        let fewest = [0.01, 1.0, 10.0, 99.0, 100.0, 100_000.0].map(fewest_streams_of_tpch);
        assert_eq!(fewest, [2, 2, 3, 4, 5, 11]);
    }
}
