//! A PostgreSQL server of one's own, for tests: made from the installed programs in a temporary folder, on a free port, and
//! stopped with the process that started it, however that ends.

use super::{Limits, Server};
use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// Where Debian keeps the programs of each version.
const INSTALLED: &str = "/usr/lib/postgresql";

/// Whom the server runs as where we are root: it refuses to be that.
const USER: &str = "postgres";

/// Waits for its standard input to end, which it does with us, and leaves nothing behind.
const GUARD: &str = "trap '' INT TERM HUP; cat >/dev/null; \"$@\" >/dev/null 2>&1; rm -rf \"$FOLDER\"";

/// The server.
pub struct PrivateServer {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    options: &'static str,
    databases: AtomicU32,
    guard: Child,
}

impl PrivateServer {
    /// One server for all tests of this process that need no server of their own. It does not flush: nothing of it outlives
    /// the process.
    pub fn shared() -> &'static PrivateServer {
        static SHARED: OnceLock<PrivateServer> = OnceLock::new();
        SHARED.get_or_init(|| PrivateServer::start("-c fsync=off"))
    }

    /// One that flushes, and that may be stopped.
    pub fn durable() -> Self {
        PrivateServer::start("")
    }

    fn start(options: &'static str) -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("cityos-postgres-").tempdir().map(TempDir::keep);
        let folder = folder.expect("there is room for a folder");
        if is_root() {
            done(Command::new("chown").arg(USER).arg(&folder));
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let data = folder.join("data");
        let init: [&OsStr; 8] = [
            "-D".as_ref(),
            data.as_ref(),
            "--username=postgres".as_ref(),
            "--auth=trust".as_ref(),
            "--encoding=UTF8".as_ref(),
            // The order of texts must not be the machine's.
            "--locale=C.UTF-8".as_ref(),
            "--no-sync".as_ref(),
            "--no-instructions".as_ref(),
        ];
        done(as_user(&programs.join("initdb")).args(init));
        let mut stop = as_user(&programs.join("pg_ctl"));
        stop.arg("-D").arg(&data).args(["-m", "immediate", "stop"]);
        let guard = Command::new("setsid")
            .args(["sh", "-c", GUARD, "guard"])
            .arg(stop.get_program())
            .args(stop.get_args())
            .env("FOLDER", &folder)
            .stdin(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let server = PrivateServer { folder, programs, port, options, databases: AtomicU32::new(0), guard };
        drop(listener);
        server.go_on();
        server
    }

    /// Ends it as a loss of power would: nothing is written that was not. What was flushed is there when it goes on.
    pub fn crash(&self) {
        self.control(&["-m", "immediate", "stop"]);
    }

    /// Ends it as an administrator does: everybody is sent away.
    pub fn stop(&self) {
        self.control(&["-m", "fast", "stop"]);
    }

    /// Starts it where it was stopped, and returns once it takes connections.
    pub fn go_on(&self) {
        let options = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c max_connections=200 {}",
            self.port,
            self.folder.display(),
            self.options
        );
        let log = self.folder.join("server.log");
        let log = log.to_str().expect("temporary folders have plain names");
        self.control(&["-w", "-l", log, "-o", &options, "start"]);
    }

    fn control(&self, arguments: &[&str]) {
        done(as_user(&self.programs.join("pg_ctl")).arg("-D").arg(self.folder.join("data")).args(arguments));
    }

    /// The port it listens on, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database, for a login without a password.
    pub fn url(&self, login: &str, database: &str) -> String {
        format!("postgres://{login}@127.0.0.1:{}/{database}", self.port)
    }

    /// The URL of a new database, for the administrator.
    pub fn new_database(&self) -> String {
        let name = format!("city_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let port = self.port.to_string();
        self.program("createdb", &["-h", "127.0.0.1", "-p", &port, "-U", "postgres", &name]);
        self.url("postgres", &name)
    }

    /// A new database of it.
    pub fn new_city(&self) -> Server {
        Server::new(&self.new_database(), None, Limits::default()).expect("the URL is one")
    }

    /// Carries out a client program of the server's, such as `pg_dump`, and gives what it said.
    pub fn program(&self, name: &str, arguments: &[&str]) -> Vec<u8> {
        done(Command::new(self.programs.join(name)).args(arguments)).stdout
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        drop(self.guard.wait());
    }
}

fn programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("CITYOS_POSTGRES_PROGRAMS") {
        return folder.into();
    }
    let version = |folder: &Path| folder.file_name().and_then(OsStr::to_str)?.parse::<u32>().ok();
    let newest = std::fs::read_dir(INSTALLED).into_iter().flatten().flatten();
    let newest = newest.filter_map(|entry| Some((version(&entry.path())?, entry.path().join("bin")))).max();
    newest.expect("these tests need PostgreSQL: install Debian's package `postgresql`").1
}

fn is_root() -> bool {
    done(Command::new("id").arg("-u")).stdout == b"0\n"
}

/// A command as the server's user.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", USER, "--"]).arg(program);
    command
}

/// Carries it out, and says what it said where it fails.
fn done(command: &mut Command) -> Output {
    // A server that is started keeps what it inherits: nobody would ever see the end of a pipe.
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}
