//! The runbook's pages, carried out as they stand: each command, in a shell, prints what the page says it prints.
//!
//! In a block of ```` ```console ```` a line that begins with `$ ` is a command, those below it are what it prints, on
//! either channel. There `…` is any text, a line of it any lines, and `<name>` a word that is the same wherever it
//! stands in the page: what printed it first says which. White space is any white space.

use crate::program::Installation;
use crate::sample;
use regex::{Captures, Regex};
use rusqlite::Connection;
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
    pub fn to_its_end(&mut self, installation: &Installation) {
        while !self.steps.is_empty() {
            self.step(installation);
        }
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
            pattern.push_str("\n");
        }
        Regex::new(&(pattern + "$")).unwrap()
    }
}

#[test]
fn back_up_and_restore() {
    let city = Installation::new();
    let _server = city.serve(&["--sample"]);
    Page::titled("Back up and restore").to_its_end(&city);
}

#[tokio::test(flavor = "multi_thread")]
async fn prove_this_order_to_an_auditor() {
    let city = Installation::new();
    let server = city.serve(&["--sample"]);
    let shown = sample::settled(&city, &server, &sample::admin(&city)).await;
    let order = shown["orders"]["nodes"][0]["id"].as_str().unwrap();
    let mut page = Page::titled("Prove this order to an auditor");
    page.knows("order", order);
    page.to_its_end(&city);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_was_tampered_with() {
    let city = Installation::new();
    let server = city.serve(&["--sample"]);
    sample::settled(&city, &server, &sample::admin(&city)).await;
    assert!(server.interrupt().success());
    Page::titled("Back up and restore").step(&city);
    let alter = "UPDATE events SET at = at + 1 WHERE type = 'order.placed'";
    Connection::open(city.data().join("log.db")).unwrap().execute_batch(alter).unwrap();
    Page::titled("The log was tampered with").to_its_end(&city);
}
