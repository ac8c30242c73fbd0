//! The import of a real marketplace, as a whole process: seconds, and commands a second.

use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Where the data set is looked for, unless CITYOS_BENCH_IMPORT names a folder.
const DATA: &str = "../shared/data/olist";

/// Imports the data set with the program beside this one, and prints what it reports.
pub fn measure(folder: &Path) -> anyhow::Result<()> {
    let data = std::env::var_os("CITYOS_BENCH_IMPORT").map_or_else(|| PathBuf::from(DATA), PathBuf::from);
    if !data.join("order_lines.csv").exists() {
        println!("\nimport: not measured, there is no data set in {}", data.display());
        return Ok(());
    }
    let program = std::env::current_exe()?.with_file_name("cityos");
    let begun = Instant::now();
    let output = Command::new(&program)
        .args(["import", "--tenant", "olist", "--timezone", "America/Sao_Paulo", "--currency", "BRL"])
        .args(["--commission-percent", "10", "--data-dir"])
        .arg(folder.join("import"))
        .arg("--rejects")
        .arg(folder.join("rejects.csv"))
        .args(
            ["--sellers", "sellers.csv", "--products", "products.csv", "--order-lines", "order_lines.csv"]
                .map(|arg| if arg.ends_with(".csv") { data.join(arg).into_os_string() } else { arg.into() }),
        )
        .output()
        .with_context(|| format!("running {}: build it first, `make bench` does", program.display()))?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("\nimport of {}: {:.1} s as a whole process", data.display(), begun.elapsed().as_secs_f64());
    println!("{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}
