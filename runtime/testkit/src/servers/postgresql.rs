//! PostgreSQL, and its client `psql`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use super::PASSWORD;
use super::daemon::{
    Daemon, LOOK, PATIENCE, command_as_user, make_folder, output_of, stdout_or_stderr,
};

/// A PostgreSQL server, whose superuser is `admin` with [`PASSWORD`].
#[derive(Debug)]
pub struct Postgres(Daemon);

impl Postgres {
    /// A new, empty one that answers.
    pub fn start() -> Postgres {
        let folder = make_folder("postgresql");
        let data = folder.path().join("data");
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o644)).unwrap();
        let mut initdb = command_as_user("KILL");
        initdb.arg(postgres_program("initdb")).arg("-D").arg(&data);
        initdb.args([
            "-U",
            "admin",
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]);
        initdb
            .arg("--pwfile")
            .arg(&password)
            .current_dir(folder.path());
        stdout_or_stderr(&output_of(&mut initdb)).unwrap_or_else(|error| panic!("initdb: {error}"));
        let args = |port: u16, folder: &Path| {
            let sockets = format!("unix_socket_directories={}", folder.display());
            let port = port.to_string();
            let data = folder.join("data").display().to_string();
            // Nothing here has to survive a power cut.
            let settings = [
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "fsync=off",
                "-c",
                &sockets,
            ];
            let own = ["-D", &data, "-p", &port];
            own.into_iter().chain(settings).map(str::to_owned).collect()
        };
        let program = postgres_program("postgres");
        let server = Postgres(Daemon::new(
            "postgresql",
            program,
            ("INT", "QUIT"),
            folder,
            args,
        ));
        server.wait_until_ready();
        server
    }

    /// It listens before it lets anybody in.
    fn wait_until_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.run_sql("select 1") {
            assert!(Instant::now() < deadline, "{error}: {}", self.0.log());
            thread::sleep(LOOK);
        }
    }

    /// Ends it, in order.
    pub fn stop(&mut self) {
        self.0.stop();
    }

    /// Starts it again, on the same port with what it had.
    pub fn restart(&mut self) {
        self.0.start();
        self.wait_until_ready();
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// The operator's URL.
    pub fn url(&self) -> String {
        self.url_at(self.0.port)
    }

    /// The operator's URL, of another port that leads here.
    pub fn url_at(&self, port: u16) -> String {
        format!("postgres://admin:{PASSWORD}@127.0.0.1:{port}/postgres")
    }

    /// What the operator gets for a statement: rows as lines, columns apart by `|`.
    ///
    /// # Errors
    /// What `psql` complains of.
    pub fn run_sql(&self, statement: &str) -> Result<String, String> {
        Postgres::run_sql_as(&self.url(), statement)
    }

    /// What whoever has this URL gets for a statement.
    ///
    /// # Errors
    /// What `psql` complains of.
    pub fn run_sql_as(url: &str, statement: &str) -> Result<String, String> {
        let mut psql = Command::new(postgres_program("psql"));
        psql.args([
            "-X",
            "-A",
            "-t",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            url,
            "-c",
            statement,
        ]);
        psql.env("PGCONNECT_TIMEOUT", "10");
        stdout_or_stderr(&output_of(&mut psql))
    }

    /// A session of the operator's that lasts, such as one that holds locks: statements go in by its stdin.
    pub fn start_session(&self) -> Child {
        let mut psql = Command::new(postgres_program("psql"));
        psql.args(["-X", "-A", "-t", "-q", "-d", &self.url()]);
        psql.stdin(Stdio::piped()).stdout(Stdio::piped());
        psql.stderr(Stdio::null()).spawn().unwrap()
    }

    /// What it logged, statements with errors included.
    pub fn log(&self) -> String {
        self.0.log()
    }
}

/// Where a program of PostgreSQL is: on Debian, only a few of them are on the path.
fn postgres_program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<PathBuf> = versions
        .flatten()
        .map(|version| version.path().join("bin").join(name))
        .filter(|program| program.is_file())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| PathBuf::from(name))
}
