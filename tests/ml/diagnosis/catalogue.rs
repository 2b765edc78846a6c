//! The page that lists all findings, in step with the code.

use std::collections::BTreeSet;

use evenkeel::ml::diagnose::Code;

const PAGE: &str = include_str!("../../../docs/diagnosis.md");

/// The cells of the rows of the table below a heading.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let section = PAGE.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines = section
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Code") && !line.starts_with("| Cause"));
    lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn every_code_is_described_in_its_order_with_its_causes() {
    let described: Vec<(String, String)> =
        rows("Findings").into_iter().map(|cells| (cells[0].trim_matches('`').to_owned(), cells[1].clone())).collect();
    let expected: Vec<(String, String)> =
        Code::ALL.iter().map(|code| (code.as_str().to_owned(), code.causes().join(", "))).collect();
    assert_eq!(described, expected);
    assert!(rows("Findings").iter().all(|cells| cells.len() == 6 && cells.iter().all(|cell| !cell.is_empty())));
}

#[test]
fn every_cause_is_covered_or_left_out_for_a_reason() {
    let covered: BTreeSet<String> =
        Code::ALL.iter().flat_map(|code| code.causes()).map(|cause| (*cause).to_owned()).collect();
    let left_out: BTreeSet<String> = rows("Left out").into_iter().map(|cells| cells[0].clone()).collect();
    assert!(covered.is_disjoint(&left_out), "{:?}", covered.intersection(&left_out));
    let numbered =
        |letter: &str, count: usize| (1..=count).map(|number| format!("{letter}{number}")).collect::<Vec<_>>();
    let all: BTreeSet<String> =
        [numbered("D", 24), numbered("L", 9), numbered("T", 19), numbered("E", 11)].into_iter().flatten().collect();
    let told: BTreeSet<String> = covered.union(&left_out).cloned().collect();
    assert_eq!(told, all);
    let sentence = format!("{} of the {} causes", covered.len(), all.len());
    assert!(PAGE.contains(&sentence), "the page does not say {sentence:?}");
}
