//! What is wrong with the rows.

use super::super::finding::{Evidence, Told, percent};
use super::super::{Checked, Code, MatrixFacts, Order, Setting, Survey};
use crate::ml::metrics::base_rate_entropy;

pub(super) fn of_data(
    setting: &Setting<'_>,
    survey: &Survey,
    matrix: &MatrixFacts,
    order: Option<&Order>,
) -> Vec<Checked> {
    let mut checked = vec![duplicates(survey), twins(survey, matrix), conflicts(survey)];
    checked.extend(isolated(matrix));
    checked.extend(order.map(sorted));
    checked.push(oversampled(setting, survey, matrix));
    checked
}

fn duplicates(survey: &Survey) -> Checked {
    const LIMIT: f64 = 0.01;
    let repeats = &survey.repeats;
    let share = repeats.repeated as f64 / repeats.rows.max(1) as f64;
    Checked::new(Code::DuplicateRows, share, LIMIT).found_if(share > LIMIT, || {
        Told::info(
            format!("{} of the training rows are equal to an earlier one in every column.", percent(share)),
            Evidence::new().beside("repeated_share", share, 0.0).count("repeated_rows", repeats.repeated),
            "If they are copies of one case, remove all but one before uploading; if they are cases of their own, \
             nothing has to be done.",
        )
    })
}

fn twins(survey: &Survey, matrix: &MatrixFacts) -> Checked {
    /// The share of judged positives with a twin that makes a judgement doubtful.
    const LIMIT: f64 = 0.05;
    /// Copies have the label of their original; rows that merely look alike have it no more often than others.
    const AGREEMENT: f64 = 0.9;
    const LEAST: usize = 3;
    let twins = &survey.twins;
    let share = twins.twins as f64 / twins.rows.max(1) as f64;
    let positive_share = twins.positive_twins as f64 / twins.positives.max(1) as f64;
    let near = matrix.near_twins as f64 / matrix.judged.max(1) as f64;
    let copied = twins.positive_twins >= LEAST && positive_share > LIMIT && twins.positive_agreement > AGREEMENT;
    let nearly_copied = matrix.near_twins >= LEAST && near > share + LIMIT;
    let any = copied || nearly_copied || share > 0.01;
    Checked::new(Code::RowsInTwoParts, positive_share, LIMIT).found_if(any, || {
        let title = format!(
            "{} of the validation and test rows, and {} of their positives, are in the training part, too.",
            percent(share.max(near)),
            percent(positive_share)
        );
        let evidence = Evidence::new()
            .beside("share_with_an_equal_training_row", share, 0.0)
            .beside("share_of_positives_with_one", positive_share, 0.0)
            .with("positives_whose_twins_agree", twins.positive_agreement)
            .beside("share_with_a_nearly_equal_training_row", near, 0.0);
        let remedy = "Remove copies before uploading, or give the copies of a case a common value in a column and \
                      split by it (group): what was learnt by heart is otherwise taken for what was understood.";
        if copied || nearly_copied {
            Told::warning(title, evidence, remedy)
        } else {
            Told::info(title, evidence, remedy)
        }
    })
}

fn conflicts(survey: &Survey) -> Checked {
    /// The share of the loss of a constant that cannot be learnt away.
    const LIMIT: f64 = 0.1;
    let conflicts = &survey.repeats.conflicts;
    let entropy = base_rate_entropy(survey.parts[0].prevalence());
    let floor = if entropy > 0.0 { conflicts.entropy_floor / entropy } else { 0.0 };
    Checked::new(Code::ConflictingLabels, floor, LIMIT).found_if(conflicts.rows > 0, || {
        let title = format!(
            "{} training rows are equal to rows of the other class: no model can get below {} of the constant's loss.",
            conflicts.rows,
            percent(floor)
        );
        let evidence = Evidence::new()
            .count("conflicting_rows", conflicts.rows)
            .beside("relative_loss_floor", floor, 0.0)
            .beside("error_floor", conflicts.error_floor, 0.0);
        let remedy = "Look whether labels are wrong or a column is missing that would tell these rows apart.";
        if floor > LIMIT { Told::warning(title, evidence, remedy) } else { Told::info(title, evidence, remedy) }
    })
}

fn isolated(matrix: &MatrixFacts) -> Option<Checked> {
    const LIMIT: f64 = 0.8;
    let (found, by_chance) = matrix.disagreement?;
    Some(Checked::new(Code::IsolatedPositives, found, LIMIT).found_if(found > LIMIT, || {
        Told::info(
            format!(
                "Positives lie among negatives: {} of their nearest neighbours are of the other class.",
                percent(found)
            ),
            Evidence::new().beside("negative_neighbours", found, by_chance),
            "Look through the positives for wrong labels. Methods that interpolate between positives (SMOTE) make rows \
             in the midst of negatives here.",
        )
    }))
}

fn sorted(order: &Order) -> Checked {
    const CORRELATION: f64 = 0.9;
    const SPAN: f64 = 0.1;
    const LEAST: usize = 5;
    let is_block = order.positives >= LEAST && order.span < SPAN;
    let is_sorted = is_block || order.autocorrelation > CORRELATION;
    Checked::new(Code::SortedByClass, order.autocorrelation, CORRELATION).found_if(is_sorted, || {
        Told::info(
            "The rows of the file are in the order of their labels.".to_owned(),
            Evidence::new()
                .beside("correlation_with_the_next_label", order.autocorrelation, 0.0)
                .beside("span_of_the_positives", order.span, order.span_expected),
            "Nothing has to be done for a split by chance, and rows are drawn anew for every epoch; a split by time, or \
             by a column that follows the order of the file, would leave parts without one of the classes.",
        )
    })
}

fn oversampled(setting: &Setting<'_>, survey: &Survey, matrix: &MatrixFacts) -> Checked {
    /// The share of the positives that copies or rows in between make up.
    const LIMIT: f64 = 0.3;
    /// How many times the share of the negatives that is.
    const TIMES: f64 = 5.0;
    const LEAST_ROWS: usize = 40;
    let repeats = &survey.repeats;
    let (between, between_negatives) = matrix.between.unwrap_or((0.0, 0.0));
    let stands_out = |positives: f64, negatives: f64| positives > LIMIT && positives > TIMES * negatives;
    let found = setting.train.positive >= LEAST_ROWS
        && (stands_out(repeats.positives, repeats.negatives) || stands_out(between, between_negatives));
    Checked::new(Code::OversampledBeforeUpload, repeats.positives.max(between), LIMIT).found_if(found, || {
        Told::warning(
            "The positives look over-sampled before they were uploaded: copies of a case, or rows made from it, are now \
             on both sides of the split."
                .to_owned(),
            Evidence::new()
                .beside("positives_equal_to_another", repeats.positives, repeats.negatives)
                .beside("positives_on_a_line_between_two_others", between, between_negatives),
            "Upload the rows as they were collected and let the job resample: it does so after the split, on the \
             training part alone.",
        )
    })
}
