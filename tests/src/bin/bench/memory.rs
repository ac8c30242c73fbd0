//! The most memory a process has, by what the kernel says of it: bounded, however long the log is.

use anyhow::Context;
use std::io::Read;
use std::process::Child;

/// What no measurement may need.
const MIB_MAX: u64 = 1_024;

/// How much of what a process prints is taken at a time.
const PIECE_BYTES: usize = 1 << 16;

/// From here on the peak of this process is that of what follows.
pub fn begin() -> anyhow::Result<()> {
    std::fs::write("/proc/self/clear_refs", "5").context("resetting the peak")
}

/// The most this process has had since, in MiB; refused where that is too much.
pub fn peak_mib() -> anyhow::Result<u64> {
    bounded(peak_of("self")?.context("the kernel says")?)
}

/// Takes all that a process prints into a pipe, and says the most it has had by then, in MiB; refused where that is too
/// much.
pub fn peak_mib_of(mut printing: Child) -> anyhow::Result<u64> {
    let process = printing.id().to_string();
    let mut printed = printing.stdout.take().context("it prints into a pipe")?;
    let (mut piece, mut most) = (vec![0; PIECE_BYTES], 0);
    while printed.read(&mut piece)? > 0 {
        // One that has ended since has no memory any more.
        most = most.max(peak_of(&process)?.unwrap_or(0));
    }
    let status = printing.wait()?;
    anyhow::ensure!(status.success() && most > 0, "the program ended with {status}, with {most} MiB");
    bounded(most)
}

fn peak_of(process: &str) -> anyhow::Result<Option<u64>> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { return Ok(None) };
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(Some(kib / 1024))
}

fn bounded(mib: u64) -> anyhow::Result<u64> {
    anyhow::ensure!(mib < MIB_MAX, "it took {mib} MiB, and may take {MIB_MAX}");
    Ok(mib)
}
