//! The engine against the definition: all distances, sorted.

use super::sides::Sides;
use super::*;
use ndarray::{Array2, array};
use proptest::prelude::*;

fn go(_: f64) -> ControlFlow<Stop> {
    ControlFlow::Continue(())
}

#[test]
fn a_row_is_excluded_by_its_index_and_its_twin_is_found() {
    let features = array![[0.0, 0.0], [5.0, 0.0], [0.0, 0.0], [1.0, 0.0]];
    let found = Neighbours::new(features.view()).of_rows(&[0, 2], 2, &mut go).unwrap();
    let rows = |query: usize| found.of(query).iter().map(|near| near.row).collect::<Vec<_>>();
    assert_eq!(rows(0), [2, 3]);
    assert_eq!(rows(1), [0, 3]);
    assert_eq!(found.of(0)[0].squared_distance, 0.0);
}

#[test]
fn ties_go_to_the_lower_index_and_k_is_bounded_by_the_rows() {
    let features = array![[0.0], [1.0], [-1.0], [1.0]];
    let found = Neighbours::new(features.view()).of_rows(&[0], 9, &mut go).unwrap();
    assert_eq!(found.width(), 3);
    assert_eq!(found.of(0).iter().map(|near| near.row).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn rows_are_named_as_in_the_matrix_and_need_not_be_members() {
    let features = array![[0.0], [9.0], [1.0], [4.0], [1.5]];
    let members = [0, 2, 4];
    let index = Neighbours::among(features.view(), &members);
    let found = index.of_rows(&[3, 2], 5, &mut go).unwrap();
    assert_eq!(found.width(), 2);
    assert_eq!(found.of(0).iter().map(|near| near.row).collect::<Vec<_>>(), [4, 2]);
    assert_eq!(found.of(1).iter().map(|near| near.row).collect::<Vec<_>>(), [4, 0]);
    assert_eq!(index.of_rows(&[1, 3], 5, &mut go).unwrap().width(), 3);
    let found = index.of_places(&[2], 1, Reach::Nearest, &mut go).unwrap();
    assert_eq!(found.of(0), [Neighbour { row: 2, squared_distance: 0.0 }]);
}

#[test]
fn a_search_ends_when_it_is_told_to() {
    let features = Array2::<f64>::zeros((10, 2));
    let mut stop = |_: f64| ControlFlow::Break(Stop::Cancelled);
    assert_eq!(Neighbours::new(features.view()).of_rows(&[0], 1, &mut stop), Err(Stop::Cancelled));
}

#[test]
fn an_index_without_rows_or_columns_has_answers() {
    let none = Array2::<f64>::zeros((0, 3));
    let found = Neighbours::new(none.view()).of_points(array![[1.0, 2.0, 3.0]].view(), 2, Reach::Nearest, &mut go);
    assert_eq!(found.unwrap().of(0), []);
    let points = array![[1.0], [2.0], [3.0]];
    let sums = Neighbours::among(points.view(), &[]).least_sums(&[2, 0, 1], 2, 2, &mut go).unwrap();
    assert_eq!(sums, [(0.0, 0), (0.0, 1)]);
    let bare = Array2::<f64>::zeros((1_000, 0));
    let rows: Vec<usize> = (0..1_000).collect();
    let found = Neighbours::new(bare.view()).of_rows(&rows, 1, &mut go).unwrap();
    assert_eq!(found.of(0)[0].row, 1);
    assert_eq!(found.of(999)[0].row, 0);
}

/// A million rows that nothing tells apart, so that no block can be skipped for where it lies. The search ends at the
/// third call, and by then has answered no more than a first handful.
#[test]
fn the_longest_search_is_asked_after_a_handful_of_queries() {
    let features = Array2::<f64>::zeros((1_000_000, 2));
    let rows: Vec<usize> = (0..1_000_000).collect();
    let (mut calls, mut last) = (0, 0.0);
    let mut stop = |share: f64| {
        last = share;
        if share > 0.0 {
            calls += 1;
        }
        if calls == 3 { ControlFlow::Break(Stop::Cancelled) } else { ControlFlow::Continue(()) }
    };
    assert_eq!(Neighbours::new(features.view()).of_rows(&rows, 5, &mut stop), Err(Stop::Cancelled));
    assert!(last * 1e6 <= 8.0 + 32.0 + 128.0 + 0.5, "{last}");
}

/// Squared distances of rows to a point in the order of the definition.
fn by_definition(features: &Array2<f64>, members: &[usize], point: &[f64], reach: Reach) -> Vec<(f64, usize)> {
    let squared = |row: usize| {
        let terms = features.row(row).into_iter().zip(point).map(|(a, b)| (b - a) * (b - a));
        terms.fold(0.0, |sum, term| sum + term)
    };
    let mut all: Vec<(f64, usize)> = members.iter().map(|&row| (squared(row), row)).collect();
    all.sort_by(|a, b| match reach {
        Reach::Nearest => a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)),
        Reach::Farthest => b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)),
    });
    all
}

/// Values of many kinds, from uniform ones in [-1, 1].
fn shaped(kind: u8, value: f64, column: usize, row: usize) -> f64 {
    match kind {
        0 => value,
        // Ties everywhere, and duplicates.
        1 => (value * 3.0).round(),
        // Columns of very different widths, one of them constant.
        2 => [value * 1e6, value, 0.25, value * 1e-6][column % 4],
        // Far from zero, where f32 tells nothing apart.
        3 => value + 1e9,
        // Squares underflow, in some pairs or in all.
        4 => value * 1e-160,
        5 => value * 1e-300,
        // Squares overflow, and some differences, too.
        6 => value * 1e200,
        7 => value * 1.7e308,
        // A few rows far from all others, at which nothing else is told apart.
        8 => {
            if row % 97 == 5 {
                value * 1e300
            } else {
                value
            }
        }
        // Groups that are far from each other and narrow.
        _ => (value * 2.0).round() * 1e4 + value * 1e-3,
    }
}

fn with_index<'a>(rows: Rows<'a>, with_axes: bool) -> Neighbours<'a> {
    let index = Index::new(rows, with_axes, &mut || ControlFlow::Continue(())).unwrap();
    match with_axes {
        true => Neighbours { rows, flat: OnceLock::new(), axes: OnceLock::from(index) },
        false => Neighbours { rows, flat: OnceLock::from(index), axes: OnceLock::new() },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn the_engine_answers_as_sorting_all_distances_does(
        kind in 0_u8..10,
        columns in 1_usize..21,
        rows in 1_usize..700,
        k in 1_usize..9,
        threads in 1_usize..4,
        seed: u32,
    ) {
        let uniform = |index: usize| {
            let mut bits = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(seed) << 20;
            bits = (bits ^ bits >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (bits >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        };
        let features = Array2::from_shape_fn((rows, columns), |(row, column)| {
            // Some rows are the twins of others.
            let source = if row % 11 == 10 { row / 2 } else { row };
            shaped(kind, uniform(source * columns + column), column, source)
        });
        let members: Vec<usize> = (0..rows).filter(|row| row % 7 != 3 || rows < 20).collect();
        let asked: Vec<usize> = (0..rows).rev().step_by(13).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for with_axes in [false, true] {
            let all = with_index(Rows::all(features.view()), with_axes);
            let some = with_index(Rows::some(features.view(), &members), with_axes);
            let every: Vec<usize> = (0..rows).collect();
            let points = features.select(ndarray::Axis(0), &asked);
            let (near, among, far) = pool.install(|| {
                let near = all.of_rows(&asked, k, &mut go).unwrap();
                let among = some.of_points(points.view(), k, Reach::Nearest, &mut go).unwrap();
                (near, among, all.of_points(points.view(), k, Reach::Farthest, &mut go).unwrap())
            });
            for (query, &row) in asked.iter().enumerate() {
                let point = features.row(row).to_vec();
                let places = |found: &Found| -> Vec<(f64, usize)> {
                    found.of(query).iter().map(|near| (near.squared_distance, near.row)).collect()
                };
                let mut nearest = by_definition(&features, &every, &point, Reach::Nearest);
                nearest.retain(|place| place.1 != row);
                prop_assert_eq!(&places(&near)[..], &nearest[..k.min(rows - 1)]);
                let nearest = by_definition(&features, &members, &point, Reach::Nearest);
                prop_assert_eq!(&places(&among)[..], &nearest[..k.min(members.len())]);
                let farthest = by_definition(&features, &every, &point, Reach::Farthest);
                prop_assert_eq!(&places(&far)[..], &farthest[..k.min(rows)]);
            }
        }
    }

    #[test]
    fn others_are_among_the_nearest_where_counting_finds_them(
        kind in 0_u8..10,
        columns in 1_usize..5,
        rows in 2_usize..900,
        k in 1_usize..6,
        others in [prop::option::of(1_usize..5), prop::option::of(1_usize..5)],
        share in 1_u64..8,
        seed: u32,
    ) {
        let hash = |index: usize| (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(seed) << 24;
        let features = Array2::from_shape_fn((rows, columns), |(row, column)| {
            let bits = (hash(row * columns + column) >> 7).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11;
            shaped(kind, bits as f64 / (1_u64 << 52) as f64 - 1.0, column, row)
        });
        let labels: Vec<bool> = (0..rows).map(|row| (hash(row) >> 40) % 8 < share).collect();
        let asked: Vec<usize> = (0..rows).collect();
        let nearest = Neighbours::new(features.view()).of_rows(&asked, k, &mut go).unwrap();
        let counted = |row: usize| nearest.of(row).iter().filter(|near| labels[near.row] != labels[row]).count();
        let enough = |row: usize| others[usize::from(labels[row])].is_some_and(|least| counted(row) >= least);
        let expected: Vec<(usize, usize)> = asked.into_iter().filter(|&row| enough(row)).map(|row| (row, counted(row))).collect();
        prop_assert_eq!(&others_among_nearest(features.view(), &labels, k, others, &mut go).unwrap(), &expected);
        let members = sides::members(&labels);
        let sides = Sides::new(features.view(), &members).one_at_a_time();
        prop_assert_eq!(&others::count_others(sides, &members, k, others, &mut go).unwrap(), &expected);
    }

    #[test]
    fn pairs_across_are_those_that_both_ends_name(
        kind in 0_u8..10,
        columns in 1_usize..5,
        rows in 2_usize..900,
        share in 1_u64..8,
        seed: u32,
    ) {
        let hash = |index: usize| (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(seed) << 24;
        let features = Array2::from_shape_fn((rows, columns), |(row, column)| {
            let bits = (hash(row * columns + column) >> 7).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11;
            shaped(kind, bits as f64 / (1_u64 << 52) as f64 - 1.0, column, row)
        });
        let labels: Vec<bool> = (0..rows).map(|row| (hash(row) >> 40) % 8 < share).collect();
        let asked: Vec<usize> = (0..rows).collect();
        let nearest = Neighbours::new(features.view()).of_rows(&asked, 1, &mut go).unwrap();
        let members = sides::members(&labels);
        let smaller = members[1].len() <= members[0].len();
        let expected: Vec<(usize, usize)> = members[usize::from(smaller)]
            .iter()
            .map(|&row| (row, nearest.of(row)[0].row))
            .filter(|&(row, other)| labels[row] != labels[other] && nearest.of(other)[0].row == row)
            .collect();
        prop_assert_eq!(&mutual_nearest_across(features.view(), &labels, &mut go).unwrap(), &expected);
        let sides = Sides::new(features.view(), &members).one_at_a_time();
        prop_assert_eq!(&links::pairs(sides, &members, &mut go).unwrap(), &expected);
    }

    #[test]
    fn the_least_sums_are_those_of_sorting_all(
        kind in 0_u8..10,
        columns in 1_usize..5,
        rows in 2_usize..900,
        k in 1_usize..5,
        count in 0_usize..40,
        share in 1_u64..8,
        seed: u32,
    ) {
        let hash = |index: usize| (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(seed) << 24;
        let features = Array2::from_shape_fn((rows, columns), |(row, column)| {
            let bits = (hash(row * columns + column) >> 7).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11;
            shaped(kind, bits as f64 / (1_u64 << 52) as f64 - 1.0, column, row)
        });
        let (members, asked): (Vec<usize>, Vec<usize>) = (0..rows).partition(|&row| (hash(row) >> 40) % 8 < share);
        let index = Neighbours::among(features.view(), &members);
        let found = index.of_places(&asked, k, Reach::Nearest, &mut go).unwrap();
        let mut sums: Vec<(f64, usize)> = (0..asked.len())
            .map(|query| (found.of(query).iter().fold(0.0, |sum, near| sum + near.squared_distance.sqrt()), query))
            .collect();
        sums.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        sums.truncate(count);
        prop_assert_eq!(index.least_sums(&asked, k, count, &mut go).unwrap(), sums);
    }
}
