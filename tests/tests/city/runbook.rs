//! The runbook's pages, carried out as they stand: each command, in a shell, prints what the page says it prints.
//!
//! In a block of ```` ```console ```` a line that begins with `$ ` is a command, those below it are what it prints, on
//! either channel. There `…` is any text, a line of it any lines, and `<name>` a word that is the same wherever it
//! stands in the page: what printed it first says which. White space is any white space.

use crate::disks::{self, DISK};
use crate::program::Installation;
use crate::repair::{comes_to, is_over, is_parked};
use crate::{read_models, sample};
use chrono::TimeDelta;
use cityos_connectors::sandbox::{Fault, Operation};
use cityos_tests::city::City;
use cityos_tests::market::{Market, euros};
use regex::{Captures, Regex};
use rusqlite::Connection;
use serde_json::json;
use std::collections::{HashMap, VecDeque};
use std::fs;
use std::path::Path;

/// A page that is being carried out.
pub struct Page {
    steps: VecDeque<Step>,
    known: HashMap<String, String>,
}

struct Step {
    command: String,
    prints: Vec<String>,
}

impl Page {
    /// The page under this heading of the second level.
    pub fn titled(title: &str) -> Page {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/RUNBOOK.md");
        let text = fs::read_to_string(path).unwrap();
        let heading = format!("## {title}");
        let lines = text.lines().skip_while(|line| *line != heading).skip(1);
        let mut steps = VecDeque::new();
        let mut inside = false;
        for line in lines.take_while(|line| !line.starts_with("## ")) {
            match (inside, line.strip_prefix("$ ")) {
                (false, _) => inside = line == "```console",
                (true, _) if line == "```" => inside = false,
                (true, Some(command)) => steps.push_back(Step { command: command.into(), prints: vec![] }),
                (true, None) => {
                    let step = steps.back_mut().expect("a block begins with a command");
                    step.prints.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
                }
            }
        }
        assert!(!steps.is_empty(), "the runbook has no page `{title}` with commands");
        Page { steps, known: HashMap::new() }
    }

    /// Says what a word stands for that nothing on the page prints.
    pub fn knows(&mut self, name: &str, is: &str) {
        self.known.insert(name.into(), is.into());
    }

    /// Carries out the next command.
    pub fn step(&mut self, installation: &Installation) {
        let Step { command, prints } = self.steps.pop_front().expect("the page has another command");
        let line = Regex::new("<([a-z_]+)>").unwrap().replace_all(&command, |name: &Captures<'_>| {
            self.known
                .get(&name[1])
                .unwrap_or_else(|| panic!("nothing has said what {} is", &name[0]))
                .clone()
        });
        let ended = installation.shell(&line);
        let printed: Vec<_> = ended.said.lines().chain(ended.complained.lines()).collect();
        let printed = printed.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n");
        let printed: String = printed.collect();
        let pattern = self.pattern(&prints);
        let Some(found) = pattern.captures(&printed) else {
            panic!("`{line}` printed\n{printed}\nbut the runbook says\n{}\n({pattern})", prints.join("\n"));
        };
        for name in pattern.capture_names().flatten() {
            self.known.insert(name.into(), found[name].into());
        }
    }

    /// Carries out every command that is left.
    #[allow(clippy::wrong_self_convention, reason = "it is the page's end, no other form of it")]
    pub fn to_its_end(&mut self, installation: &Installation) {
        while !self.steps.is_empty() {
            self.step(installation);
        }
    }

    /// What a captured word stands for.
    fn known(&self, name: &str) -> &str {
        &self.known[name]
    }

    fn pattern(&self, prints: &[String]) -> Regex {
        let marks = Regex::new("…|<([a-z_]+)>").unwrap();
        let mut pattern = String::from("^");
        let mut named = Vec::new();
        for line in prints {
            if line == "…" {
                pattern.push_str("(?:.*\n)*?");
                continue;
            }
            let mut from = 0;
            for mark in marks.captures_iter(line) {
                let whole = mark.get(0).expect("a match has a place");
                pattern.push_str(&regex::escape(&line[from..whole.start()]));
                from = whole.end();
                match mark.get(1).map(|name| name.as_str()) {
                    None => pattern.push_str(".*"),
                    Some(name) => match self.known.get(name) {
                        Some(is) => pattern.push_str(&regex::escape(is)),
                        None if named.contains(&name) => pattern.push_str("\\S+"),
                        None => {
                            named.push(name);
                            pattern.push_str(&format!("(?P<{name}>\\S+)"));
                        }
                    },
                }
            }
            pattern.push_str(&regex::escape(&line[from..]));
            pattern.push('\n');
        }
        Regex::new(&(pattern + "$")).unwrap()
    }
}

#[test]
fn back_up_and_restore() {
    let city = Installation::in_files();
    let _server = city.serve(&["--sample"]);
    Page::titled("Back up and restore").to_its_end(&city);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_is_full_or_read_only() {
    let city = Installation::on_disk_of(DISK);
    let server = city.serve(&["--sample"]);
    let token = sample::admin(&city);
    disks::settled(&server, &token).await;
    let market = sample::Market::of(&server, &token).await;
    city.fill_disk();
    let mut number = 0;
    while disks::place(&server, &token, &market, number).await.get("errors").is_none() {
        number += 1;
    }
    Page::titled("The disk is full, or read-only").to_its_end(&city);
    assert_eq!(disks::place(&server, &token, &market, number).await.get("errors"), None);
}

/// Payouts of four vendors, all parked: of three for lack of funds, of the last because its answer was lost.
async fn parked_payouts(at: &Installation) {
    let city = City::in_files(|settings| settings.data_dir = at.data()).await;
    let market = Market::open(&city, "harbour").await;
    let faults = city.sandbox.faults();
    for vendor in ["alma", "basil", "cedar", "dora"] {
        let id = market.vendor(vendor).await;
        let owed = json!({ "vendor": id, "amount": euros("25.00"), "against": "ADJUSTMENTS", "reason": "made good" });
        market.admin.does("postAdjustment", owed, "").await;
        match vendor {
            "dora" => {
                faults.cue(Operation::Transfer, Fault::LoseReply);
                (0..5).for_each(|_| faults.cue(Operation::Search, Fault::TimeOut));
            }
            _ => {
                let no_funds = || Fault::Unavailable("INSUFFICIENT_FUNDS".into());
                (0..6).for_each(|_| faults.cue(Operation::Transfer, no_funds()));
            }
        }
        market.admin.does("requestPayout", json!({ "vendor": id, "currency": "EUR" }), "").await;
        city.settle().await;
        for minutes in [1, 5, 30, 120, 720] {
            city.pass(TimeDelta::minutes(minutes)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_is_parked() {
    let city = Installation::in_files();
    parked_payouts(&city).await;
    let _server = city.serve(&[]);
    let log = city.log().await;
    let mut page = Page::titled("A payout is parked");
    for _ in ["list", "show", "dry run", "retry"] {
        page.step(&city);
    }
    comes_to(&*log, page.known("first"), is_over).await;
    for _ in ["show", "compensate"] {
        page.step(&city);
    }
    comes_to(&*log, page.known("second"), is_over).await;
    for _ in ["list", "skip"] {
        page.step(&city);
    }
    comes_to(&*log, page.known("third"), is_over).await;
    page.to_its_end(&city);
    comes_to(&*log, page.known("lost"), is_over).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn practise_on_a_drill() {
    let city = Installation::in_files();
    let _server = city.serve(&["--sample"]);
    let log = city.log().await;
    let mut page = Page::titled("Practise on a drill");
    page.step(&city);
    comes_to(&*log, page.known("back"), is_parked).await;
    for _ in ["list", "show", "retry"] {
        page.step(&city);
    }
    comes_to(&*log, page.known("back"), is_over).await;
    for drill in ["past", "unsure"] {
        page.step(&city);
        comes_to(&*log, page.known(drill), is_parked).await;
    }
    for _ in ["dry run", "without a count", "with it"] {
        page.step(&city);
    }
    for drill in ["past", "unsure"] {
        comes_to(&*log, page.known(drill), is_over).await;
    }
    page.step(&city);
    comes_to(&*log, page.known("patient"), is_over).await;
    page.to_its_end(&city);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_model_is_wrong() {
    let city = Installation::in_files();
    let server = city.serve(&["--sample"]);
    sample::settled(&city, &server, &sample::admin(&city)).await;
    let reads = read_models::reads(&city);
    let orders = read_models::table(&reads, "orders");
    let one = format!("WHERE id = (SELECT min(id) FROM \"{orders}\")");
    reads.execute(&format!("UPDATE \"{orders}\" SET status = 'canceled' {one}"), []).unwrap();
    let mut page = Page::titled("A read model is wrong");
    // Verified, rebuilt, verified, rolled back, rebuilt, listed, dropped.
    for _ in 0..7 {
        page.step(&city);
    }
    read_models::freeze(&city, &reads);
    page.to_its_end(&city);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_model_lags() {
    let city = Installation::in_files();
    let server = city.serve(&["--sample"]);
    sample::settled(&city, &server, &sample::admin(&city)).await;
    assert!(server.interrupt().success());
    // As after a restore.
    std::fs::remove_file(city.data().join("read.db")).unwrap();
    Page::titled("A read model lags").to_its_end(&city);
}

#[tokio::test]
async fn what_happened_to_this_order() {
    let city = Installation::in_files();
    let server = city.serve(&["--sample"]);
    sample::settled(&city, &server, &sample::admin(&city)).await;
    Page::titled("What happened to this order").to_its_end(&city);
}

#[tokio::test]
async fn the_books_do_not_add_up() {
    let city = Installation::in_files();
    let server = city.serve(&["--sample"]);
    sample::settled(&city, &server, &sample::admin(&city)).await;
    let mut page = Page::titled("The books do not add up");
    page.step(&city);
    let log = Connection::open(city.data().join("log.db")).unwrap();
    let less = "UPDATE events SET body = json_set(body, '$.minor', json_extract(body, '$.minor') - 1)
        WHERE position = (SELECT min(position) FROM events WHERE type = 'payment.captured')";
    assert_eq!(log.execute(less, []).unwrap(), 1);
    page.to_its_end(&city);
}

#[tokio::test(flavor = "multi_thread")]
async fn prove_this_order_to_an_auditor() {
    let city = Installation::in_files();
    let server = city.serve(&["--sample"]);
    let shown = sample::settled(&city, &server, &sample::admin(&city)).await;
    let order = shown["orders"]["nodes"][0]["id"].as_str().unwrap();
    let mut page = Page::titled("Prove this order to an auditor");
    page.knows("order", order);
    page.to_its_end(&city);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_was_tampered_with() {
    let city = Installation::in_files();
    let server = city.serve(&["--sample"]);
    sample::settled(&city, &server, &sample::admin(&city)).await;
    assert!(server.interrupt().success());
    Page::titled("Back up and restore").step(&city);
    let alter = "UPDATE events SET at = at + 1 WHERE type = 'order.placed'";
    Connection::open(city.data().join("log.db")).unwrap().execute_batch(alter).unwrap();
    Page::titled("The log was tampered with").to_its_end(&city);
}
