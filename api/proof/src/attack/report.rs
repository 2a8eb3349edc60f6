//! The report of an attack, as a table and as JSON.

use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use super::case::{Outcome, Verdict};

/// The widest column of text; longer sentences are wrapped.
const WIDTH: u16 = 160;

/// All cases that ran.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) passed: bool,
    pub(super) ok: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
    pub(super) cases: Vec<Outcome>,
}

impl Report {
    /// The report passes if no case failed and at least one held: an attack without a case proves nothing.
    pub(super) fn new(cases: Vec<Outcome>) -> Report {
        let count = |verdict| cases.iter().filter(|case| case.verdict == verdict).count();
        let (ok, failed) = (count(Verdict::Ok), count(Verdict::Failed));
        Report {
            passed: failed == 0 && ok > 0,
            ok,
            failed,
            skipped: count(Verdict::Skipped),
            cases,
        }
    }

    /// The same report with each skipped case as failed.
    pub(super) fn without_skips(mut self) -> Report {
        for case in &mut self.cases {
            if case.verdict == Verdict::Skipped {
                case.verdict = Verdict::Failed;
            }
        }
        Report::new(self.cases)
    }

    /// The table, with one row for each case.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(WIDTH);
        table.set_header(["area", "case", "expected", "seen", ""]);
        let mut area = "";
        for case in &self.cases {
            let shown = if case.area == area { "" } else { case.area };
            area = case.area;
            let verdict = match case.verdict {
                Verdict::Ok => "ok",
                Verdict::Failed => "FAILED",
                Verdict::Skipped => "skipped",
            };
            table.add_row([shown, &case.case, &case.expected, &case.seen, verdict]);
        }
        table.to_string()
    }

    /// The last line.
    pub(super) fn summary(&self) -> String {
        format!(
            "{} ok, {} failed, {} skipped",
            self.ok, self.failed, self.skipped
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(verdict: Verdict) -> Outcome {
        Outcome {
            area: "tokens",
            case: "a case".to_owned(),
            expected: "401".to_owned(),
            seen: "200".to_owned(),
            verdict,
        }
    }

    #[test]
    fn one_failure_fails_the_whole_and_so_does_asking_nothing() {
        for (verdicts, passed) in [
            (vec![Verdict::Ok, Verdict::Skipped], true),
            (vec![Verdict::Ok, Verdict::Failed], false),
            (vec![Verdict::Skipped], false),
            (vec![], false),
        ] {
            let report = Report::new(verdicts.iter().copied().map(outcome).collect());
            assert_eq!(report.passed, passed, "{verdicts:?}");
        }
    }

    #[test]
    fn a_skipped_case_fails_where_nothing_may_be_left_out() {
        let report = Report::new(vec![outcome(Verdict::Ok), outcome(Verdict::Skipped)]);
        assert!(report.passed);
        let strict = report.without_skips();
        assert_eq!(
            (strict.passed, strict.failed, strict.skipped),
            (false, 1, 0)
        );
    }

    #[test]
    fn the_table_names_what_failed() {
        let table = Report::new(vec![outcome(Verdict::Failed)]).table();
        assert!(
            table.contains("FAILED") && table.contains("tokens"),
            "{table}"
        );
    }
}
