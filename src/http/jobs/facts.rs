//! What a job's configuration is checked against: the dataset as it was summarised at upload.

use std::collections::BTreeMap;

use crate::ml::config::{DatasetFacts, FeatureFacts};
use crate::ml::table::ColumnSummary;
use crate::records::DatasetRecord;

/// A summary lists at most this many values; a column with more has no complete list.
const LISTED_VALUES: u64 = 10;

/// The facts of an uploaded dataset.
pub(super) fn facts_of(dataset: &DatasetRecord) -> DatasetFacts {
    DatasetFacts {
        rows: dataset.rows as usize,
        target: dataset.target.clone(),
        positive_label: dataset.positive_label.clone(),
        columns: dataset.columns.iter().map(feature_facts).collect(),
        class_counts: dataset.class_counts.iter().map(|(label, count)| (label.clone(), *count as usize)).collect(),
    }
}

fn feature_facts(column: &ColumnSummary) -> FeatureFacts {
    FeatureFacts {
        name: column.name.clone(),
        column_type: column.column_type,
        distinct: column.distinct as usize,
        values: all_values(column),
    }
}

/// Every value with its count, or nothing where the summary leaves some out.
fn all_values(column: &ColumnSummary) -> Option<BTreeMap<String, usize>> {
    let complete =
        column.distinct_exact && column.distinct <= LISTED_VALUES && column.top.len() as u64 == column.distinct;
    complete.then(|| column.top.iter().map(|top| (top.value.clone(), top.count as usize)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::jobs::samples::sample_dataset;

    #[test]
    fn a_column_with_few_values_lists_them_all() {
        let facts = facts_of(&sample_dataset());
        let ward = facts.columns.iter().find(|column| column.name == "ward").unwrap();
        assert_eq!(ward.values, Some(BTreeMap::from([("east".to_owned(), 700), ("west".to_owned(), 290)])));
    }

    #[test]
    fn a_column_whose_list_is_cut_short_has_none() {
        let facts = facts_of(&sample_dataset());
        let area = facts.columns.iter().find(|column| column.name == "area").unwrap();
        assert_eq!((area.values.as_ref(), area.distinct), (None, 977));
    }

    #[test]
    fn an_uncounted_column_is_not_taken_for_complete() {
        let mut dataset = sample_dataset();
        dataset.columns[1].distinct_exact = false;
        assert_eq!(facts_of(&dataset).columns[1].values, None);
    }
}
