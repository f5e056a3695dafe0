//! How the client program reaches servers: TLS, hosts, passwords, services. MILLRACE_CLI is its path.

#[path = "connect/certificates.rs"]
mod certificates;

use certificates::Identity;
use millrace_tests::{Cluster, one, wait_until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The name in the servers' certificates. No host has this name, so its address is given as well.
const HOST: &str = "db.example";
const TLS_ONLY: &str = "
local all postgres trust
hostssl all checked all scram-sha-256
hostssl all certified all trust clientcert=verify-full
hostssl all postgres all trust";
const IN_THE_CLEAR: &str = "
local all postgres trust
hostnossl all postgres all trust";

/// A server that others reach by TCP, with a run to report on, and a home for the client.
struct Server {
    cluster: Cluster,
    home: PathBuf,
    authority: Identity,
}

impl Server {
    fn with_tls(hba: &str, identity: impl FnOnce(&Identity) -> Identity) -> Self {
        let authority = Identity::authority("authority");
        let identity = identity(&authority);
        let files = [
            ("pg_hba.conf", hba),
            ("server.crt", &identity.certificate()),
            ("server.key", &identity.key()),
            ("authority.crt", &authority.certificate()),
        ];
        let settings = ["ssl = on", "ssl_ca_file = 'authority.crt'"];
        Self::new(Cluster::listening(&files, &settings), authority)
    }

    fn new(cluster: Cluster, authority: Identity) -> Self {
        let mut client = cluster.connect();
        client.batch_execute("CREATE TABLE nation (LIKE tpch_nation)").unwrap();
        client.batch_execute("CALL stream_ingest('nation')").unwrap();
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(cluster.folder().file_name().unwrap());
        fs::create_dir_all(home.join(".postgresql")).unwrap();
        let server = Self { cluster, home, authority };
        server.file("authority.crt", &server.authority.certificate());
        server
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_string_lossy().into_owned()
    }

    /// The program, connecting with these parameters and nothing else.
    fn run(&self, arguments: &[&str], connection: &str) -> Command {
        let mut command =
            Command::new(std::env::var("MILLRACE_CLI").expect("run the tests with `make test`"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PG")) {
            command.env_remove(name);
        }
        command.args(arguments).env("HOME", &self.home).current_dir(&self.home);
        command.args(if connection.is_empty() { vec![] } else { vec!["--dbname", connection] });
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn report(&self, connection: &str) -> Command {
        self.run(&["report", "public.nation"], connection)
    }

    /// Parameters that lead to it by the name that is in its certificate.
    fn address(&self) -> String {
        format!("host={HOST} hostaddr=127.0.0.1 port={} user=postgres dbname=postgres", self.cluster.port())
    }

    fn accepts(&self, more: &str) {
        succeed(self.report(&format!("{} {more}", self.address())));
    }

    fn refuses(&self, more: &str, parts: &[&str]) {
        refused(self.report(&format!("{} {more}", self.address())), parts);
    }
}

fn succeed(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{command:?}: {said}");
    String::from_utf8(stdout).unwrap() + &said
}

/// The message is one line that contains all of this.
fn refused(mut command: Command, parts: &[&str]) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && stdout.is_empty(), "{command:?}: {said}");
    let message =
        said.lines().find(|line| line.starts_with("millrace: could not connect")).unwrap_or_default();
    for part in parts {
        assert!(message.contains(part), "{command:?}: {part} is not in the message of\n{said}");
    }
    assert!(!said.contains("panicked") && said.lines().count() <= 3, "{said}");
}

#[test]
fn modes_of_tls_are_libpqs() {
    let server = Server::with_tls(TLS_ONLY, |authority| authority.signed(HOST, 30));
    for mode in ["", "sslmode=allow", "sslmode=prefer", "sslmode=require"] {
        server.accepts(mode);
    }
    for mode in ["verify-ca", "verify-full"] {
        server.accepts(&format!("sslmode={mode} sslrootcert=authority.crt"));
        server.refuses(
            &format!("sslmode={mode}"),
            &["root certificate file ~/.postgresql/root.crt does not exist"],
        );
    }
    server.refuses("sslmode=disable", &["no pg_hba.conf entry for host \"127.0.0.1\"", "no encryption"]);
    let nameless = format!("hostaddr=127.0.0.1 port={} user=postgres", server.cluster.port());
    succeed(server.report(&nameless));
    refused(
        server.report(&format!("{nameless} sslmode=verify-full sslrootcert=authority.crt")),
        &["with sslmode verify-full, host must be given"],
    );
    // Under another name it is another host.
    let by_address =
        format!("host=127.0.0.1 port={} user=postgres sslrootcert=authority.crt", server.cluster.port());
    succeed(server.report(&format!("{by_address} sslmode=verify-ca")));
    refused(
        server.report(&format!("{by_address} sslmode=verify-full")),
        &["TLS: certificate verify failed: IP address mismatch"],
    );
    refused(
        server.report(&format!(
            "{} host=localhost sslmode=verify-full sslrootcert=authority.crt",
            server.address()
        )),
        &["TLS: certificate verify failed: hostname mismatch"],
    );
}

#[test]
fn tls_can_come_first() {
    let server = Server::with_tls(TLS_ONLY, |authority| authority.signed(HOST, 30));
    let direct = "sslnegotiation=direct sslmode=require";
    let version = "SELECT current_setting('server_version_num')::int";
    match one::<i32>(&mut server.cluster.connect(), version) {
        170000.. => server.accepts(direct),
        // Older servers do not know what they are told.
        _ => server.refuses(direct, &["TLS: "]),
    }
}

#[test]
fn a_root_certificate_that_is_there_is_looked_at() {
    let server = Server::with_tls(TLS_ONLY, |authority| authority.signed(HOST, 30));
    let stranger = Identity::authority("stranger");
    server.file("stranger.crt", &stranger.certificate());
    let unknown = "TLS: certificate verify failed: ";
    for mode in ["require", "verify-ca", "verify-full"] {
        server.refuses(&format!("sslmode={mode} sslrootcert=stranger.crt"), &[unknown]);
    }
    server.accepts("sslmode=require sslrootcert=nonesuch.crt");
    server.refuses("sslrootcert=system", &[unknown]);
    // Where it is when none is named.
    server.file(".postgresql/root.crt", &stranger.certificate());
    server.refuses("sslmode=require", &[unknown]);
    server.file(".postgresql/root.crt", &server.authority.certificate());
    server.accepts("sslmode=verify-full");
    server.file(".postgresql/root.crt", "nonsense");
    server.refuses("sslmode=require", &["root certificate file", "cannot be used"]);
    // The environment has what the string lacks.
    let mut command = server.report(&server.address());
    command.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", "authority.crt");
    succeed(command);
    let mut command = server.report(&server.address());
    command.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", "stranger.crt");
    refused(command, &[unknown]);
}

#[test]
fn an_expired_certificate_is_refused() {
    let server = Server::with_tls(TLS_ONLY, |authority| authority.signed(HOST, -1));
    server.accepts("sslmode=require");
    let expired = ["TLS: certificate verify failed: certificate has expired"];
    server.refuses("sslmode=verify-ca sslrootcert=authority.crt", &expired);
    server.refuses("sslmode=require sslrootcert=authority.crt", &expired);
}

#[test]
fn a_revoked_certificate_is_refused() {
    let (mut revoking, mut harmless) = (String::new(), String::new());
    let server = Server::with_tls(TLS_ONLY, |authority| {
        let identity = authority.signed(HOST, 30);
        revoking = authority.revocation(&identity);
        harmless = authority.revocation(&authority.signed(HOST, 30));
        identity
    });
    server.file("revoked.crl", &revoking);
    server.file("harmless.crl", &harmless);
    let verify = "sslmode=verify-full sslrootcert=authority.crt";
    let revoked = ["TLS: certificate verify failed: certificate revoked"];
    server.accepts(&format!("{verify} sslcrl=harmless.crl"));
    server.refuses(&format!("{verify} sslcrl=revoked.crl"), &revoked);
    let mut command = server.report(&format!("{} {verify}", server.address()));
    command.env("PGSSLCRL", "revoked.crl");
    refused(command, &revoked);
    server.file(".postgresql/root.crl", &revoking);
    server.refuses(verify, &revoked);
    // A folder in its place: if it is empty, nothing says that the certificate is still valid.
    fs::create_dir(server.home.join("lists")).unwrap();
    server.refuses(&format!("{verify} sslcrldir=lists"), &["unable to get certificate CRL"]);
}

#[test]
fn versions_of_tls_have_bounds() {
    let server = Server::with_tls(TLS_ONLY, |authority| authority.signed(HOST, 30));
    server.accepts("sslmode=require ssl_min_protocol_version=TLSv1.3");
    server.accepts("sslmode=require ssl_max_protocol_version=TLSv1.2");
    let none = "sslmode=require ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2";
    server.refuses(none, &["TLS: no protocols available"]);
}

#[test]
fn certificates_as_postgresqls_documentation_makes_them_will_do() {
    let server = Server::with_tls(TLS_ONLY, |authority| authority.signed_by_subject(HOST));
    server.accepts("sslmode=verify-full sslrootcert=authority.crt");
}

#[test]
fn tls_is_tried_as_the_mode_says() {
    let server = Server::with_tls(IN_THE_CLEAR, |authority| authority.signed(HOST, 30));
    for mode in ["disable", "allow", "prefer"] {
        server.accepts(&format!("sslmode={mode}"));
    }
    server.refuses("sslmode=require", &["no pg_hba.conf entry for host \"127.0.0.1\"", "SSL encryption"]);
    // Neither way: both are told.
    server.refuses("user=nobody", &["SSL encryption; without TLS: no pg_hba.conf entry"]);

    let files = [("pg_hba.conf", IN_THE_CLEAR)];
    let server = Server::new(Cluster::listening(&files, &[]), Identity::authority("authority"));
    for mode in ["disable", "allow", "prefer"] {
        server.accepts(&format!("sslmode={mode}"));
    }
    server.refuses("sslmode=require", &["the server does not support TLS"]);
    server.refuses("user=nobody", &["server: no pg_hba.conf entry for host \"127.0.0.1\""]);
}

#[test]
fn a_client_shows_its_certificate() {
    let server = Server::with_tls(TLS_ONLY, |authority| authority.signed(HOST, 30));
    server.cluster.connect().batch_execute("CREATE ROLE certified LOGIN SUPERUSER").unwrap();
    let identity = server.authority.signed("certified", 30);
    let other = server.authority.signed("other", 30);
    server.file("client.crt", &identity.certificate());
    let key = server.file("client.key", &identity.key());
    server.file("locked.key", &identity.locked_key("open sesame"));
    server.file("other.crt", &other.certificate());
    server.file("other.key", &other.key());
    let with = |more: &str| format!("user=certified sslmode=require {more}");
    server.refuses(&with(""), &["connection requires a valid client certificate"]);
    server.accepts(&with("sslcert=client.crt sslkey=client.key"));
    server.accepts(&with("sslcert=client.crt sslkey=locked.key sslpassword='open sesame'"));
    server.refuses(
        &with("sslcert=client.crt sslkey=locked.key sslpassword=x"),
        &["private key file locked.key"],
    );
    server.refuses(&with("sslcert=client.crt sslkey=other.key"), &["private key file other.key", "mismatch"]);
    server.refuses(&with("sslcert=other.crt sslkey=other.key"), &["\"certified\""]);
    server.refuses(&with("sslcert=client.crt"), &["certificate client.crt has no private key file"]);
    server.refuses(
        &with("sslcert=client.crt sslkey=client.key sslcertmode=disable"),
        &["connection requires a valid client certificate"],
    );
    let mut command = server.report(&format!("{} user=certified", server.address()));
    command.env("PGSSLCERT", "client.crt").env("PGSSLKEY", "client.key");
    succeed(command);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    server.refuses(&with("sslcert=client.crt sslkey=client.key"), &["client.key can be read by others"]);
    // Where they are when none are named.
    server.file(".postgresql/postgresql.crt", &identity.certificate());
    server.file(".postgresql/postgresql.key", &identity.key());
    server.accepts(&with(""));
}

#[test]
fn passwords_come_from_files_and_are_bound_to_the_channel() {
    let server = Server::with_tls(TLS_ONLY, |authority| authority.signed(HOST, 30));
    let role = "CREATE ROLE checked LOGIN SUPERUSER PASSWORD 'a:b\\c'";
    server.cluster.connect().batch_execute(role).unwrap();
    server.refuses("user=checked", &["the server asks for a password"]);
    let bound = "user=checked password='a:b\\\\c' channel_binding=require";
    server.accepts(bound);
    let mut by_variable = server.report(&format!("{} user=checked", server.address()));
    by_variable.env("PGPASSWORD", "a:b\\c");
    succeed(by_variable);
    server.refuses("user=checked password=x channel_binding=require", &["password authentication failed"]);
    server.refuses("channel_binding=require", &["server did not use channel binding"]);
    let mut command = server.report(&server.address());
    command.env("PGCHANNELBINDING", "require");
    refused(command, &["server did not use channel binding"]);

    let port = server.cluster.port();
    let file = server.file(
        ".pgpass",
        &format!("#{HOST}:*:*:*:x\nelsewhere:*:*:*:x\n{HOST}:{port}:*:checked:a\\:b\\\\c\n*:*:*:*:x\n"),
    );
    server.accepts("user=checked channel_binding=require");
    server.refuses("user=checked passfile=nonesuch", &["the server asks for a password"]);
    fs::rename(&file, server.home.join("passwords")).unwrap();
    let mut command = server.report(&format!("{} user=checked", server.address()));
    succeed({
        command.env("PGPASSFILE", "passwords");
        command
    });
    // A password file that others can read is not used.
    fs::set_permissions(server.home.join("passwords"), fs::Permissions::from_mode(0o640)).unwrap();
    let Output { status, stderr, .. } =
        server.report(&format!("{} user=checked passfile=passwords", server.address())).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("millrace: password file passwords is not used: it can be read by others"),
        "{said}"
    );
    assert!(said.contains("the server asks for a password\nHINT:  Set PGPASSWORD"), "{said}");
}

#[test]
fn services_name_servers() {
    let server = Server::with_tls(TLS_ONLY, |authority| authority.signed(HOST, 30));
    let port = server.cluster.port();
    let lines = format!(
        "host={HOST}\nhostaddr=127.0.0.1\nport={port}\nuser=postgres\ndbname=postgres\nsslmode=verify-full"
    );
    server.file(
        ".pg_service.conf",
        &format!("[other]\nhost=nowhere\n\n[bench]\n# by TLS\n{lines}\nsslrootcert=authority.crt\n"),
    );
    succeed(server.report("service=bench"));
    let mut by_variable = server.report("");
    succeed({
        by_variable.env("PGSERVICE", "bench").env("PGUSER", "nobody");
        by_variable
    });
    // Arguments take precedence over the service, and the service over the environment.
    refused(server.report("service=bench sslrootcert=system"), &["TLS: certificate verify failed"]);
    let system = server.home.join("system");
    fs::create_dir_all(&system).unwrap();
    server.file("system/pg_service.conf", &format!("[shared]\n{lines}\nsslrootcert=authority.crt\n"));
    let mut shared = server.report("service=shared");
    succeed({
        shared.env("PGSYSCONFDIR", &system);
        shared
    });
    server.file("services", "[a]\nhost\n[b]\nhots=x\n");
    for (service, said) in [
        ("a", "millrace: syntax error in service file services, line 2\nHINT:  "),
        ("b", "millrace: there is no connection parameter \"hots\"\nHINT:  "),
        ("c", "millrace: definition of service \"c\" not found\nHINT:  "),
    ] {
        let mut command = server.report(&format!("service={service}"));
        let Output { status, stderr, .. } = command.env("PGSERVICEFILE", "services").output().unwrap();
        let told = String::from_utf8(stderr).unwrap();
        assert!(status.code() == Some(2) && told.starts_with(said), "{told}");
    }
}

#[test]
fn the_first_host_that_will_do_is_taken() {
    let primary = Server::new(Cluster::new(), Identity::authority("authority"));
    let standby = primary.cluster.standby();
    let [first, second] =
        [primary.cluster.folder(), standby.folder()].map(|folder| folder.display().to_string());
    let bench = |run: &str, hosts: &str, wanted: &str| {
        let arguments =
            ["bench", "--rows", "1000", "--variants", "heap", "--phase", "noindex", "--yes", "--run", run];
        let mut command = primary.run(&arguments, &format!("host={hosts} user=postgres"));
        command.args(["--schema", run]).env("PGTARGETSESSIONATTRS", wanted);
        command
    };
    succeed(bench("a", &format!("/nonesuch,{second},{first}"), "read-write"));
    let mut any_order = bench("b", &format!("{second},/nonesuch,{first}"), "primary");
    any_order.env("PGLOADBALANCEHOSTS", "random");
    succeed(any_order);
    for wanted in ["prefer-standby", "standby", "read-only"] {
        let mut command = bench("c", &format!("{first},{second}"), wanted);
        let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
        assert!(said.contains("SQLSTATE:  25006"), "it is on the standby, where nothing is written: {said}");
    }
    succeed(bench("d", &first, "prefer-standby"));
    refused(bench("e", &first, "standby"), &["the server is no standby"]);
    let both = format!("{first} port 5432: the server is no standby; /nonesuch port 5432: ");
    refused(bench("e", &format!("{first},/nonesuch"), "standby"), &[&both]);
    refused(bench("e", &second, "read-write"), &["the session is read-only"]);
}

#[test]
fn sessions_begin_with_the_settings_of_the_environment() {
    let server = Server::new(Cluster::new(), Identity::authority("authority"));
    let connection = format!("host={} user=postgres", server.cluster.folder().display());
    let zone = |variables: &[(&str, &str)], more: &str| {
        let mut command = server.report(&format!("{connection} {more}"));
        command.envs(variables.iter().copied());
        succeed(command);
        let summary = fs::read_to_string(server.home.join("summary.md")).unwrap();
        let started = summary.lines().find(|line| line.starts_with("- Started: ")).unwrap();
        started.rsplit(' ').next().unwrap().to_owned()
    };
    let [kolkata, tokyo] = [("PGTZ", "Asia/Kolkata"), ("PGOPTIONS", "-c TimeZone=Asia/Tokyo")];
    assert_eq!(zone(&[kolkata], ""), "IST");
    assert_eq!(zone(&[kolkata, tokyo], ""), "JST");
    assert_eq!(zone(&[kolkata, tokyo], "options='-c TimeZone=UTC'"), "UTC");
}

#[test]
fn an_interrupt_reaches_the_server_by_tls() {
    let server = Server::with_tls(TLS_ONLY, |authority| authority.signed(HOST, 30));
    let mut client = server.cluster.connect();
    let bench = [
        "bench",
        "--rows",
        "1000",
        "--batch-rows",
        "100",
        "--variants",
        "heap",
        "--phase",
        "noindex",
        "--yes",
    ];
    let connection = format!("{} sslmode=verify-full sslrootcert=authority.crt", server.address());
    // The first batch waits for ever, so only a cancel ends it.
    client.batch_execute("CREATE SCHEMA bench; CREATE FUNCTION bench.wait() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(18); END'; SELECT pg_advisory_lock(18)").unwrap();
    client.batch_execute("CREATE EVENT TRIGGER wait ON ddl_command_end WHEN tag IN ('CREATE TABLE') EXECUTE FUNCTION bench.wait()").unwrap();
    let child = server.run(&bench, &connection).env("PGAPPNAME", "tried").spawn().unwrap();
    wait_until("the statement that waits", || {
        one(&mut client, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    });
    let encrypted = "SELECT count(*) = 2 AND bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'tried'";
    assert!(one::<bool>(&mut client, encrypted), "all sessions of the program");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    client.batch_execute("DROP EVENT TRIGGER wait; SELECT pg_advisory_unlock_all()").unwrap();
    let output = succeed(server.run(&bench, &connection));
    assert!(output.contains("Gates\n"), "{output}");
}
