//! The tree tells the story: these hold for every file of the repository.

use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 500;
const VAGUE: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc", "manager", "impl"];
const CRATES: &[&str] = &["domain", "eventstore", "projections", "sagas", "connectors", "gateway", "tests"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_owned()
}

fn rust_files() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for name in CRATES {
        walk(&root().join(name), &mut found);
    }
    assert!(found.len() > 50, "the walk found only {} files", found.len());
    found
}

fn is_test(path: &Path) -> bool {
    let relative = path.strip_prefix(root()).unwrap();
    relative.starts_with("tests")
        || relative.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
}

fn complaints(check: impl Fn(&Path, &str) -> Option<String>) -> Vec<String> {
    rust_files()
        .iter()
        .filter_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            check(path, &text).map(|what| format!("{}: {what}", path.strip_prefix(root()).unwrap().display()))
        })
        .collect()
}

#[test]
fn every_file_opens_with_what_is_here() {
    let wrong = complaints(|_, text| {
        let lines = text.lines().take_while(|line| line.starts_with("//!")).count();
        (!(1..=5).contains(&lines)).then(|| format!("{lines} lines of //! at the top"))
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_file_grows_too_long() {
    let wrong = complaints(|path, text| {
        let lines = text.lines().count();
        (lines > LINES_MAX && !is_test(path)).then(|| format!("{lines} lines"))
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn names_say_what_is_inside() {
    let wrong = complaints(|path, _| {
        let stem = path.file_stem()?.to_str()?;
        let vague = stem.split('_').any(|word| VAGUE.contains(&word));
        vague.then(|| format!("`{stem}` says nothing"))
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_test_is_switched_off_or_waits_by_the_clock() {
    let marks = [concat!("#[", "ignore"), concat!("sle", "ep("), concat!("should_", "panic")];
    let wrong = complaints(|path, text| {
        let tests = if is_test(path) { text } else { text.split_once("#[cfg(test)]\nmod ")?.1 };
        marks.iter().find(|mark| tests.contains(**mark)).map(|mark| format!("has `{mark}`"))
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn paths_named_in_the_documents_exist() {
    let mut missing = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md", "deploy/RUNBOOK.md"] {
        let text = fs::read_to_string(root().join(document)).expect(document);
        for word in text.split('`').skip(1).step_by(2) {
            let looks_like_a_path = CRATES
                .iter()
                .chain(&["schemas", "deploy"])
                .any(|top| word.strip_prefix(top).is_some_and(|rest| rest.starts_with('/')));
            if looks_like_a_path && !word.contains(['*', '<', ' ', '…']) && !root().join(word).exists() {
                missing.push(format!("{document}: {word}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_readme_tells_every_setting_as_it_is() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&cityos_gateway::settings::markdown()), "`cityos settings` prints the table");
}

/// Cargo refuses a circle of crates, but not one that their tests close.
#[test]
fn the_crates_form_a_line_with_their_tests() {
    for (place, name) in CRATES.iter().enumerate() {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        for later in &CRATES[place + 1..] {
            assert!(!manifest.contains(&format!("cityos-{later}")), "{name} must not know {later}");
        }
    }
}
