//! Rows that could not be taken: where they stand, which field is wrong and which rule it breaks. The value
//! itself is never repeated, since it might be about a person.

use anyhow::{Context, bail};
use cityos_domain::rejection::Rejected;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The columns of the file.
const HEADER: [&str; 5] = ["file", "line", "order_id", "field", "reason"];

/// One refused row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reject {
    /// Which file of the layout: `sellers`, `products` or `order_lines`.
    pub file: &'static str,
    /// The line in the file, from 1, the header counted.
    pub line: u64,
    /// The order the row belongs to; empty where it belongs to none.
    pub order: String,
    /// The column.
    pub field: String,
    /// The rule it breaks.
    pub reason: String,
}

/// Why a row cannot be taken, before it is known where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong {
    /// The column.
    pub field: String,
    /// The rule it breaks.
    pub reason: String,
}

impl Wrong {
    /// `field` breaks the rule `reason`.
    pub fn new(field: &str, reason: impl Into<String>) -> Self {
        Wrong { field: field.into(), reason: reason.into() }
    }
}

impl From<Rejected> for Wrong {
    /// A refusal by the rules of the domain.
    fn from(rejected: Rejected) -> Self {
        // Messages that quote the value begin with it in backticks. It may hold some too, the rule behind it does not.
        let reason = match rejected.message.strip_prefix('`').and_then(|rest| rest.rsplit_once("` ")) {
            Some((_, rule)) => rule.to_owned(),
            None => rejected.message,
        };
        let reason =
            if rejected.code == "INVALID_INPUT" { reason } else { format!("{}: {reason}", rejected.code) };
        Wrong { field: rejected.field.unwrap_or_default(), reason }
    }
}

/// Makes sure, before anything is brought in, that rejects can be written to `path` and nothing is lost by it but
/// older rejects.
pub fn prepare(path: &Path, inputs: &[&Path]) -> anyhow::Result<()> {
    let there = path.canonicalize().ok();
    if let Some(there) = &there {
        if inputs.iter().any(|input| input.canonicalize().is_ok_and(|input| input == *there)) {
            bail!("rejects cannot go to {}, which is read", path.display());
        }
        if !there.is_file() {
            bail!("rejects cannot go to {}, which is no plain file", path.display());
        }
        if !is_ours(path).with_context(|| format!("reading {}", path.display()))? {
            bail!("rejects cannot go to {}, which holds something else", path.display());
        }
    }
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.with_context(|| format!("rejects cannot be written to {}", path.display()))?;
    if there.is_none() {
        std::fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(())
}

/// Whether a file is empty or begins as rejects do.
fn is_ours(path: &Path) -> std::io::Result<bool> {
    let mut first = Vec::new();
    let header = HEADER.join(",") + "\n";
    BufReader::new(File::open(path)?).take(header.len() as u64).read_until(b'\n', &mut first)?;
    Ok(first.is_empty() || first == header.as_bytes())
}

/// Writes the rejects as CSV, replacing the file; removes it where there are none.
pub fn write(path: &Path, rejects: &[Reject]) -> anyhow::Result<Option<PathBuf>> {
    if rejects.is_empty() {
        return match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing the old rejects file {}", path.display()))
            }
            Ok(()) | Err(_) => Ok(None),
        };
    }
    let mut writer = csv::Writer::from_path(path)
        .with_context(|| format!("creating the rejects file {}", path.display()))?;
    writer.write_record(HEADER)?;
    for reject in rejects {
        let line = reject.line.to_string();
        writer.write_record([reject.file, &line, &reject.order, &reject.field, &reject.reason])?;
    }
    writer.flush().with_context(|| format!("writing the rejects file {}", path.display()))?;
    Ok(Some(path.to_owned()))
}
