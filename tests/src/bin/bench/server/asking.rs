//! Callers that cost as little as may be: one thread for all connections, each of which writes a request that it has made
//! before and looks no closer at the answer than it must.

use super::Times;
use anyhow::Context;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How many different requests there are.
const REQUESTS: u64 = 1_000;

/// What came of it.
pub struct Asked {
    /// Answers a second.
    pub per_second: f64,
    /// How long each took.
    pub times: Times,
    /// How many processor cores the callers took.
    pub cores: f64,
}

/// Posts bodies, each made from a number, over so many connections for so long. The first answer of each connection is
/// looked at closely. Blocks.
pub fn ask(
    address: SocketAddr,
    connections: usize,
    during: Duration,
    token: &str,
    body: impl Fn(u64) -> String,
    check: fn(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<Asked> {
    let request = |number: u64| {
        let body = body(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20);
        let length = body.len();
        format!(
            "POST /graphql HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let requests: Arc<Vec<String>> = Arc::new((1..=REQUESTS).map(request).collect());
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let begun = (Instant::now(), busy()?);
        let callers = async {
            let callers: Vec<_> = (0..connections)
                .map(|caller| tokio::spawn(call(address, requests.clone(), caller, begun.0 + during, check)))
                .collect();
            let mut times = Times::default();
            for caller in callers {
                times.0.extend(caller.await??);
            }
            anyhow::Ok(times)
        };
        let times = runtime.block_on(callers)?;
        let seconds = begun.0.elapsed().as_secs_f64();
        let cores = (busy()? - begun.1).as_secs_f64() / seconds;
        Ok(Asked { per_second: times.0.len() as f64 / seconds, times, cores })
    });
    thread.join().map_err(|_| anyhow::anyhow!("the callers panicked"))?
}

async fn call(
    address: SocketAddr,
    requests: Arc<Vec<String>>,
    caller: usize,
    until: Instant,
    check: fn(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut answer, mut times) = (Vec::with_capacity(1 << 16), Vec::new());
    for number in caller * 31.. {
        let begun = Instant::now();
        if begun > until {
            break;
        }
        stream.write_all(requests[number % requests.len()].as_bytes()).await?;
        answer.clear();
        let (mut head, mut whole) = (0, usize::MAX);
        while answer.len() < whole {
            anyhow::ensure!(stream.read_buf(&mut answer).await? > 0, "the server hung up");
            if head == 0
                && let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n")
            {
                head = end + 4;
                whole = head + content_length(&answer[..head])?;
            }
        }
        times.push(begun.elapsed());
        if times.len() == 1 {
            check(&answer[head..])?;
        }
        anyhow::ensure!(answer[head..].starts_with(b"{\"data\":{"), "{}", String::from_utf8_lossy(&answer));
    }
    Ok(times)
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    let head = std::str::from_utf8(head)?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    Ok(length.context("an answer says how long it is")?.parse()?)
}

/// How long this thread has had a processor.
fn busy() -> anyhow::Result<Duration> {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(spent.split(' ').next().context("the first is the time")?.parse()?))
}
