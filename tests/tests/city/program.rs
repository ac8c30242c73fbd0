//! The program `cityos` as whoever runs it meets it: a process with arguments, a data directory or a database, an exit code,
//! and a port that answers. It can be killed.

use cityos_domain::log::{Envelope, Position};
use cityos_eventstore::clock::{Clock, SystemClock};
use cityos_eventstore::copy::LogRows;
use cityos_eventstore::store::EventStore;
use cityos_gateway::app::App;
use cityos_gateway::settings::{DatabaseUrl, Settings};
use cityos_gateway::storage::Storage;
use cityos_tests::city::database;
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// How long the log may stand still while a test waits for something to be written.
const STANDS_STILL_AT_MOST: Duration = Duration::from_secs(60);

/// Who runs the program where nothing else is said.
const OPERATOR: &str = "olga";

/// Events read at a time.
const READ_LIMIT: u32 = 1_000;

/// The environment variable that names the program's database.
const DATABASE: &str = "CITYOS_DATABASE";

/// A folder with a data directory in it, perhaps a database of a server, and the program to use on them.
pub struct Installation {
    folder: TempDir,
    database: DatabaseUrl,
    disk: Option<Disk>,
}

/// A file system in memory, in a mount namespace of its own: there as long as the process that holds it.
struct Disk {
    holder: Child,
}

impl Disk {
    fn mount(place: &Path, bytes: u64) -> Self {
        let mount = format!(
            "mount -t tmpfs -o size={bytes} cityos '{}' && echo mounted && exec cat",
            place.display()
        );
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("util-linux is installed");
        let mut said = String::new();
        BufReader::new(holder.stdout.take().expect("it is piped")).read_line(&mut said).unwrap();
        assert_eq!(
            said, "mounted\n",
            "a disk of its own needs user namespaces: `unshare --user --mount` must be allowed"
        );
        Disk { holder }
    }

    fn command(&self, folder: &Path, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let (holder, folder) = (self.holder.id().to_string(), folder.display());
        command.args(["--target", &holder, "--user", "--mount", "--preserve-credentials"]);
        command.arg(format!("--wdns={folder}")).arg("--").arg(program);
        command
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

/// How a run of the program ended.
pub struct Ended {
    pub code: Option<i32>,
    pub said: String,
    pub complained: String,
}

impl Installation {
    /// With all it keeps wherever the cities of the tests are kept.
    pub fn new() -> Self {
        Installation::on(database())
    }

    /// With all it keeps in files, wherever the others are: for tests that look into them, or do what there is only for files.
    pub fn in_files() -> Self {
        Installation::on(DatabaseUrl::default())
    }

    /// With all it keeps in this database.
    pub fn on(database: impl Into<DatabaseUrl>) -> Self {
        Installation { folder: tempfile::tempdir().unwrap(), database: database.into(), disk: None }
    }

    /// With a data directory that is a disk of its own, of so many bytes. Only the program sees what is on it.
    pub fn on_disk_of(bytes: u64) -> Self {
        let mut at = Installation::in_files();
        fs::create_dir(at.data()).unwrap();
        at.disk = Some(Disk::mount(&at.data(), bytes));
        at
    }

    /// Takes what room is left on its disk.
    pub fn fill_disk(&self) {
        let filled = self.elsewhere("sh", &["-c", "cat /dev/zero > data/old.backup"]).output().unwrap();
        let complaint = String::from_utf8(filled.stderr).unwrap();
        assert!(complaint.contains("No space left on device"), "{complaint}");
    }

    /// Gives that room back.
    pub fn make_room(&self) {
        self.remove_from_disk(&["data/old.backup"]);
    }

    /// Deletes those of these files that are on its disk.
    pub fn remove_from_disk(&self, files: &[&str]) {
        assert!(self.elsewhere("rm", &["--force"]).args(files).status().unwrap().success());
    }

    /// Everything on its disk: names and contents, as checksums.
    pub fn listing(&self) -> String {
        let listed = self.elsewhere("sh", &["-c", "cd data && sha256sum *"]).output().unwrap();
        String::from_utf8(listed.stdout).unwrap()
    }

    /// Has its disk take no writes any more. Nothing on it may be open.
    pub fn make_read_only(&self) {
        self.remount("ro");
    }

    /// Has its disk take writes again.
    pub fn make_writable(&self) {
        self.remount("rw");
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        assert!(self.elsewhere("mount", &["-o", &options, "data"]).status().unwrap().success());
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.elsewhere(env!("CARGO_BIN_EXE_program"), &["--data-dir", "data"]);
        command.args(arguments);
        command
    }

    /// A program in the folder, which sees the disk where there is one.
    fn elsewhere(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = match &self.disk {
            None => Command::new(program),
            Some(disk) => disk.command(self.folder.path(), program),
        };
        command.current_dir(self.folder.path()).env("USER", OPERATOR).args(arguments);
        if let Some(url) = self.database.get() {
            command.env(DATABASE, url);
        }
        command
    }

    /// Runs a line of a shell in the folder, in which `cityos` is the program and `data` its data directory.
    pub fn shell(&self, line: &str) -> Ended {
        let script = format!("cityos() {{ {} \"$@\"; }}\n{line}", env!("CARGO_BIN_EXE_program"));
        ended(&mut self.elsewhere("sh", &["-c", &script]))
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.command(arguments))
    }

    /// Starts the program, which says nothing, and leaves it running.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// A development token.
    pub fn token(&self, arguments: &[&str]) -> String {
        let ended = self.run(&[&["token"], arguments].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.complained);
        ended.said.trim().to_owned()
    }

    /// Starts a server on a free port and returns when it listens. Its log lines go to `server.log`.
    pub fn serve(&self, arguments: &[&str]) -> Server {
        let free_port = ["--set", "bind=127.0.0.1:0"];
        let (worker, line) = self.start_serving(&[&free_port, arguments].concat());
        let Some(url) = line.trim().strip_prefix("CityOS listens on ").map(str::to_owned) else {
            panic!("it does not listen: {line}{}", self.read("server.log"));
        };
        Server { worker, url, http: reqwest::Client::new() }
    }

    /// Starts a process that serves no API and returns when it works. Its log lines go to `server.log`, too.
    pub fn work(&self, role: &str) -> Worker {
        let (worker, line) = self.start_serving(&["--role", role]);
        assert!(line.starts_with("CityOS works"), "{line}{}", self.read("server.log"));
        worker
    }

    fn start_serving(&self, arguments: &[&str]) -> (Worker, String) {
        let lines = OpenOptions::new().create(true).append(true).open(self.path("server.log")).unwrap();
        let mut process = self
            .command(&[&["serve"], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(lines)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        (Worker { process, _said: said }, line)
    }

    /// The city in this process instead of one of its own; nothing in it moves by itself.
    pub async fn open(&self, clock: Arc<dyn Clock>) -> App {
        App::open(self.settings(), clock).await.unwrap()
    }

    /// The log, seen by a second process.
    pub async fn log(&self) -> Arc<dyn LogRows> {
        fs::create_dir_all(self.data()).unwrap();
        Storage::of(&self.settings()).unwrap().log(Arc::new(SystemClock)).await.unwrap()
    }

    fn settings(&self) -> Settings {
        Settings { data_dir: self.data(), database: self.database.clone(), ..Settings::default() }
    }
}

fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), said: text(output.stdout), complained: text(output.stderr) }
}

/// A process that serves a city. It is killed where it stands when it is let go.
pub struct Worker {
    process: Child,
    /// Kept open for what it still has to say.
    _said: BufReader<ChildStdout>,
}

/// One that serves the API.
pub struct Server {
    worker: Worker,
    url: String,
    http: reqwest::Client,
}

impl Server {
    /// A path below the server's address.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let response = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// What the server answers, or that it does not live to answer.
    pub fn post(
        &self,
        token: &str,
        query: &str,
        variables: Value,
    ) -> impl Future<Output = reqwest::Result<Value>> + Send + 'static {
        let request = self.http.post(format!("{}/graphql", self.url)).bearer_auth(token);
        let request = request.json(&json!({ "query": query, "variables": variables }));
        async move { request.send().await?.json().await }
    }

    /// The data of an answer without errors.
    pub async fn ask(&self, token: &str, query: &str, variables: Value) -> Value {
        let mut answer = self.post(token, query, variables).await.unwrap();
        assert_eq!(answer.get("errors"), None, "{query}");
        answer["data"].take()
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ctrl-C, and how it ended.
    pub fn interrupt(mut self) -> ExitStatus {
        signal(&mut self.worker.process, "INT")
    }

    /// Kills it where it stands.
    pub fn kill(self) {
        drop(self.worker);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            drop(self.process.kill());
            drop(self.process.wait());
        }
    }
}

/// Sends a signal to a process, and says how it ended.
pub fn signal(process: &mut Child, name: &str) -> ExitStatus {
    let kill = format!("kill -{name} {}", process.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    process.wait().unwrap()
}

/// Everything in the log after a position.
pub async fn events_after(log: &dyn EventStore, after: Position) -> Vec<Envelope> {
    let mut events = Vec::new();
    let mut after = after;
    loop {
        let page = log.read_all(after, READ_LIMIT).await.unwrap();
        if page.scanned_to == after {
            return events;
        }
        after = page.scanned_to;
        events.extend(page.events);
    }
}

/// Returns as soon as the log has come to `position`. Looks without a pause, so that what writes it can be caught
/// in the middle.
pub async fn grown_to(log: &dyn EventStore, position: Position) {
    let begun = std::time::Instant::now();
    while log.head().await.unwrap() < position {
        assert!(begun.elapsed() < STANDS_STILL_AT_MOST, "the log does not come to {position:?}");
        tokio::task::yield_now().await;
    }
}
