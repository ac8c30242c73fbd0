//! A PostgreSQL server of one's own, for tests: made from the installed programs in a temporary folder, on a free port, and
//! stopped with the process that started it, however that ends.

use super::{Limits, Server};
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
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

/// The same in a mount namespace of its own, with a disk of `$BYTES` in the folder; it says who it is first.
const GUARD_OF_DISK: &str = "trap '' INT TERM HUP; mount -t tmpfs -o size=\"$BYTES\" cityos \"$FOLDER/disk\" && echo $$; \
    cat >/dev/null; \"$@\" >/dev/null 2>&1; umount -l \"$FOLDER/disk\"; rm -rf \"$FOLDER\"";

/// There the guard is root, which the server refuses to be.
const AS_NO_ROOT: [&str; 4] = ["unshare", "--user", "--map-user=1000", "--"];

/// What takes the room on a disk that is full.
const FILLING: &str = "disk/old.backup";

/// The server.
pub struct PrivateServer {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    options: &'static str,
    databases: AtomicU32,
    guard: Child,
    /// What its programs are begun with: as its user, and where its disk is seen.
    within: Vec<String>,
    data: PathBuf,
}

/// What of a server lies on a disk of its own.
#[derive(Clone, Copy, Debug)]
pub enum OnDisk {
    /// All of its data.
    Data,
    /// Its write-ahead log.
    Wal,
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

    /// One that flushes, with a disk of so many bytes in memory, on which lies what `what` says.
    pub fn on_disk_of(bytes: u64, what: OnDisk) -> Self {
        let server = PrivateServer::empty("-c max_wal_size=2MB -c min_wal_size=2MB", Some((bytes, what)));
        let wal = format!("--waldir={}", server.folder.join("disk/wal").display());
        match what {
            OnDisk::Data => server.init(&["--wal-segsize=1"]),
            OnDisk::Wal => server.init(&["--wal-segsize=1", &wal]),
        }
        server.go_on();
        server
    }

    /// One that takes encrypted connections, too: it shows this certificate, whose key this is.
    pub fn with_certificate(certificate: &str, key: &str) -> Self {
        let server = PrivateServer::empty("-c ssl=on", None);
        server.init(&[]);
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let file = server.data.join(name);
            fs::write(&file, text).expect("there is room for a file");
            fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
            if is_root() {
                done(Command::new("chown").arg(USER).arg(&file));
            }
        }
        server.go_on();
        server
    }

    fn start(options: &'static str) -> Self {
        let server = PrivateServer::empty(options, None);
        server.init(&[]);
        server.go_on();
        server
    }

    /// With a folder and a port, and nothing in the folder but perhaps a disk.
    fn empty(options: &'static str, disk: Option<(u64, OnDisk)>) -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("cityos-postgres-").tempdir().map(TempDir::keep);
        let folder = folder.expect("there is room for a folder");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let mut within: Vec<String> = match is_root() {
            true => ["runuser", "-u", USER, "--"].map(str::to_owned).into(),
            false => Vec::new(),
        };
        let mut data = folder.join("data");
        let mut guard = Command::new("setsid");
        match disk {
            None => guard.args(["sh", "-c", GUARD, "guard"]).args(&within),
            Some((bytes, what)) => {
                fs::create_dir(folder.join("disk")).expect("there is room for a folder");
                if matches!(what, OnDisk::Data) {
                    data = folder.join("disk/data");
                }
                guard.args(&within).args(["unshare", "--user", "--map-root-user", "--mount"]);
                guard.args(["sh", "-c", GUARD_OF_DISK, "guard"]).args(AS_NO_ROOT);
                guard.env("BYTES", bytes.to_string()).stdout(Stdio::piped())
            }
        };
        if is_root() {
            done(Command::new("chown").arg("-R").arg(USER).arg(&folder));
        }
        let stop = guard.arg(programs.join("pg_ctl")).arg("-D").arg(&data).args(["-m", "immediate", "stop"]);
        let stop = stop.env("FOLDER", &folder).stdin(Stdio::piped());
        let mut guard = stop.spawn().expect("there is a shell");
        if let Some(says) = guard.stdout.take() {
            let mut pid = String::new();
            BufReader::new(says).read_line(&mut pid).expect("it says who it is");
            let pid = pid.trim();
            assert!(
                !pid.is_empty(),
                "a disk of its own needs user namespaces: `unshare --user --mount` must be allowed"
            );
            let enter = ["nsenter", "--target", pid, "--user", "--mount", "--preserve-credentials", "--"];
            within.extend(enter.into_iter().chain(AS_NO_ROOT).map(str::to_owned));
        }
        drop(listener);
        PrivateServer { folder, programs, port, options, databases: AtomicU32::new(0), guard, within, data }
    }

    /// Makes its data.
    fn init(&self, more: &[&str]) {
        let mut init = self.command(&self.programs.join("initdb"));
        // The order of texts must not be the machine's.
        init.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]);
        done(init.args(["--no-sync", "--no-instructions"]).args(more).arg("-D").arg(&self.data));
    }

    /// Takes what room is left on its disk.
    pub fn fill_disk(&self) {
        let mut fill = self.command(Path::new("sh"));
        fill.args(["-c", "cat /dev/zero > \"$0\""]).arg(self.folder.join(FILLING));
        let filled = fill.output().expect("there is a shell");
        let complaint = String::from_utf8_lossy(&filled.stderr);
        assert!(complaint.contains("No space left on device"), "{complaint}");
    }

    /// Gives that room back.
    pub fn make_room(&self) {
        done(self.command(Path::new("rm")).arg(self.folder.join(FILLING)));
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
        self.begin("start");
    }

    /// Starts it anew, whether it runs or not.
    pub fn restart(&self) {
        self.begin("restart");
    }

    fn begin(&self, how: &str) {
        let options = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c max_connections=200 {}",
            self.port,
            self.folder.display(),
            self.options
        );
        let log = self.folder.join("server.log");
        let log = log.to_str().expect("temporary folders have plain names");
        self.control(&["-w", "-l", log, "-o", &options, "-m", "immediate", how]);
    }

    fn control(&self, arguments: &[&str]) {
        done(self.command(&self.programs.join("pg_ctl")).arg("-D").arg(&self.data).args(arguments));
    }

    /// A command as the server's user, who sees its disk.
    fn command(&self, program: &Path) -> Command {
        let Some((first, rest)) = self.within.split_first() else { return Command::new(program) };
        let mut command = Command::new(first);
        command.args(rest).arg(program);
        command
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

/// Carries it out, and says what it said where it fails.
fn done(command: &mut Command) -> Output {
    // A server that is started keeps what it inherits: nobody would ever see the end of a pipe.
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}
