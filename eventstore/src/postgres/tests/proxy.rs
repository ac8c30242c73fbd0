//! Toxiproxy between us and the server: a real proxy that loses what it is told to lose.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// A proxy, and the process that it is.
pub struct Proxy {
    process: Child,
    api: String,
    /// Where whoever wants to reach the server through it goes.
    pub port: u16,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Proxy {
    /// Before the server at this port.
    pub fn before(server: u16) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/programs/toxiproxy");
        let found = Command::new(script).stderr(Stdio::inherit()).output().unwrap();
        assert!(found.status.success(), "Toxiproxy cannot be had");
        let program = String::from_utf8(found.stdout).unwrap();
        let (api_port, port) = (free_port(), free_port());
        let process = Command::new(program.trim())
            .args(["-host", "127.0.0.1", "-port", &api_port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let proxy = Proxy { process, api: format!("127.0.0.1:{api_port}"), port };
        let body = format!(
            r#"{{"name":"server","listen":"127.0.0.1:{port}","upstream":"127.0.0.1:{server}","enabled":true}}"#
        );
        proxy.ask("POST", "/proxies", &body);
        proxy
    }

    /// Begins to lose: `kind` and `attributes` are Toxiproxy's, `direction` is `upstream` or `downstream`.
    pub fn poison(&self, kind: &str, direction: &str, attributes: &str) {
        let body = format!(
            r#"{{"name":"loss","type":"{kind}","stream":"{direction}","attributes":{{{attributes}}}}}"#
        );
        self.ask("POST", "/proxies/server/toxics", &body);
    }

    /// Loses nothing any more.
    pub fn heal(&self) {
        self.ask("DELETE", "/proxies/server/toxics/loss", "");
    }

    fn ask(&self, method: &str, path: &str, body: &str) {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: proxy\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        // It listens a moment after it was started.
        let mut stream = loop {
            match TcpStream::connect(&self.api) {
                Ok(stream) => break stream,
                Err(_) => std::thread::yield_now(),
            }
        };
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{method} {path} {body}: {answer}");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
