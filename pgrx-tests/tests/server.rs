//! Runs the tests that are functions in the server: schema "tests" of a library built with `pg_test`.

use millrace_tests::{Cluster, error_of};

#[test]
fn functions_in_the_server() {
    let cluster = Cluster::new();
    let query = "SELECT proname::text FROM pg_proc WHERE pronamespace = 'tests'::regnamespace ORDER BY 1";
    let names: Vec<String> =
        cluster.connect().query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert!(names.len() >= 10, "the library was built without its tests: {names:?}");
    let mut failed = Vec::new();
    for name in &names {
        // As pgrx's own framework does, each in a transaction that is rolled back; and in a fresh backend.
        let mut client = cluster.connect();
        let error = error_of(&mut client, &format!("BEGIN; SELECT tests.{name}()"));
        client.batch_execute("ROLLBACK").unwrap();
        println!("test {name} ... {}", if error.is_none() { "ok" } else { "FAILED" });
        failed.extend(error.map(|(code, message)| format!("{name}: {code} {message}")));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    println!("{} passed, 0 failed", names.len());
}
