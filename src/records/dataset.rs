//! A dataset as it is known after upload: where its bytes are and what its columns hold.

use std::collections::BTreeMap;

use super::ids::DatasetId;
use crate::clock::Timestamp;
use crate::ml::config::{DatasetFacts, FeatureFacts, PictureFacts};
use crate::ml::picture::PictureShape;
use crate::ml::table::{ColumnSummary, ImageSummary, TableFormat};

/// One uploaded dataset. Never changes after it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetRecord {
    pub id: DatasetId,
    pub name: String,
    pub created_at: Timestamp,
    pub format: TableFormat,
    /// Of the stored (decompressed) bytes.
    pub size_bytes: u64,
    /// Of the stored bytes, hexadecimal; also the key of the blob.
    pub sha256: String,
    pub rows: u64,
    pub target: String,
    pub positive_label: String,
    pub class_counts: BTreeMap<String, u64>,
    /// In the order of the file, the target included.
    pub columns: Vec<ColumnSummary>,
    /// What counts as missing besides an empty field.
    pub missing_markers: Vec<String>,
    /// Columns that say where a row comes from, of a dataset that a job made: never features.
    pub origin_columns: Vec<String>,
}

impl DatasetRecord {
    /// Majority over minority.
    pub fn imbalance_ratio(&self) -> f64 {
        let largest = self.class_counts.values().max().copied().unwrap_or(0) as f64;
        let smallest = self.class_counts.values().min().copied().unwrap_or(0) as f64;
        largest / smallest.max(1.0)
    }

    /// What a configuration is checked against.
    pub fn facts(&self) -> DatasetFacts {
        DatasetFacts {
            rows: self.rows as usize,
            target: self.target.clone(),
            positive_label: self.positive_label.clone(),
            columns: self.columns.iter().map(feature_facts).collect(),
            origin_columns: self.origin_columns.clone(),
            class_counts: self.class_counts.iter().map(|(label, &count)| (label.clone(), count as usize)).collect(),
            pictures: self.columns.iter().find_map(|column| picture_facts(column.image.as_ref()?)),
        }
    }
}

fn picture_facts(summary: &ImageSummary) -> Option<PictureFacts> {
    let size = summary.sizes.first()?;
    let channels = if summary.color == 0 { 1 } else { 3 };
    Some(PictureFacts { usual: PictureShape { height: size.height as usize, width: size.width as usize, channels } })
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
    let complete = column.distinct_exact && column.top.len() as u64 == column.distinct;
    complete.then(|| column.top.iter().map(|top| (top.value.clone(), top.count as usize)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::table::{ColumnType, TopCategory};

    fn ward() -> ColumnSummary {
        let top = [("east", 700), ("west", 290)];
        ColumnSummary {
            name: "ward".to_owned(),
            column_type: ColumnType::Categorical,
            missing: 10,
            distinct: 2,
            distinct_exact: true,
            numeric: None,
            top: top.map(|(value, count)| TopCategory { value: value.to_owned(), count }).to_vec(),
            image: None,
        }
    }

    #[test]
    fn a_column_with_few_values_lists_them_all() {
        let expected = BTreeMap::from([("east".to_owned(), 700), ("west".to_owned(), 290)]);
        assert_eq!(feature_facts(&ward()).values, Some(expected));
    }

    #[test]
    fn a_column_whose_list_is_cut_short_has_none() {
        let facts = feature_facts(&ColumnSummary { distinct: 977, ..ward() });
        assert_eq!((facts.values, facts.distinct), (None, 977));
    }

    #[test]
    fn an_uncounted_column_is_not_taken_for_complete() {
        assert_eq!(feature_facts(&ColumnSummary { distinct_exact: false, ..ward() }).values, None);
    }
}
