//! Preprocessing against scikit-learn, and what must hold for any table.

use evenkeel::ml::config::{
    CategoricalImpute, CategoricalPreprocess, Encode, NumericImpute, NumericPreprocess, Preprocess, Scale,
};
use evenkeel::ml::preprocess::{FittedPreprocessor, PreprocessError, fit};
use evenkeel::ml::table::{Column, MISSING, Table, Values};
use ndarray::Array2;
use proptest::prelude::*;

const NAN: f64 = f64::NAN;
const NUMBERS: [f64; 10] = [1.5, NAN, -2.0, 40.0, 3.0, 3.0, 7.25, NAN, 0.125, 3.0];

fn config() -> Preprocess {
    Preprocess {
        numeric: NumericPreprocess {
            impute: NumericImpute::Median,
            fill_value: 0.0,
            missing_indicator: true,
            scale: Scale::Standard,
        },
        categorical: CategoricalPreprocess {
            encode: Encode::OneHot,
            impute: CategoricalImpute::Indicator,
            fill_value: "missing".to_owned(),
            min_frequency: 1,
            max_categories: 100,
        },
        image: None,
    }
}

fn scaled(impute: NumericImpute, scale: Scale) -> Preprocess {
    let mut config = config();
    config.numeric = NumericPreprocess { impute, fill_value: -1.0, missing_indicator: false, scale };
    config
}

fn numeric(name: &str, values: &[f64]) -> Column {
    Column { name: name.to_owned(), values: Values::Numeric(values.to_vec()) }
}

/// A dot is a missing value, every other letter a category.
fn letters(name: &str, text: &str) -> Column {
    let mut levels: Vec<String> = text.chars().filter(|letter| *letter != '.').map(String::from).collect();
    levels.sort();
    levels.dedup();
    let code = |letter: char| levels.binary_search(&letter.to_string()).map_or(MISSING, |code| code as u32);
    let codes = text.chars().map(code).collect();
    Column { name: name.to_owned(), values: Values::Categorical { codes, levels } }
}

fn flags(name: &str, text: &str) -> Column {
    let flag = |letter| match letter {
        't' => Some(true),
        'f' => Some(false),
        _ => None,
    };
    Column { name: name.to_owned(), values: Values::Boolean(text.chars().map(flag).collect()) }
}

fn table(columns: Vec<Column>) -> Table {
    Table::new(columns).unwrap()
}

fn row(matrix: &Array2<f64>, row: usize) -> Vec<f64> {
    matrix.row(row).to_vec()
}

#[test]
fn imputation_and_scaling_are_scikit_learns() {
    // x = np.array([1.5, nan, -2, 40, 3, 3, 7.25, nan, 0.125, 3]).reshape(-1, 1)
    // Scaler().fit_transform(SimpleImputer(strategy=..., fill_value=-1.0).fit_transform(x)).ravel()
    use NumericImpute::{Constant, Mean, Median, MostFrequent};
    use Scale::{MinMax, Robust, Standard};
    #[rustfmt::skip]
    let cases: [(NumericImpute, Scale, [f64; 10]); 7] = [
        (Median, Standard, [-0.407843668572285, -0.2773336946291538, -0.7123669411062578, 2.9419123293014153,
            -0.2773336946291538, -0.2773336946291538, 0.0924445648763846, -0.2773336946291538, -0.5274778113534886, -0.2773336946291538]),
        (Median, Robust, [-1.3333333333333333, 0.0, -4.444444444444445, 32.888888888888886, 0.0, 0.0, 3.7777777777777777, 0.0,
            -2.5555555555555554, 0.0]),
        (Mean, Standard, [-0.48183202998590585, 0.0, -0.7893259750481364, 2.90060136569863, -0.35004891067352134,
            -0.35004891067352134, 0.023336594044901425, 0.0, -0.602633222688925, -0.35004891067352134]),
        (Mean, Robust, [-0.29357798165137616, 0.7798165137614679, -0.9785932721712538, 7.241590214067278, 0.0, 0.0,
            0.8318042813455657, 0.7798165137614679, -0.5626911314984709, 0.0]),
        (MostFrequent, MinMax, [0.08333333333333333, 0.11904761904761904, 0.0, 1.0, 0.11904761904761904, 0.11904761904761904,
            0.22023809523809523, 0.11904761904761904, 0.050595238095238096, 0.11904761904761904]),
        (Constant, Standard, [-0.32883845388700766, -0.5403101284124145, -0.6248987982225773, 2.927825333804258,
            -0.20195544917176356, -0.20195544917176356, 0.1575463975214281, -0.5403101284124145, -0.44514787487598145, -0.20195544917176356]),
        (Constant, MinMax, [0.08333333333333333, 0.023809523809523808, 0.0, 1.0, 0.11904761904761904, 0.11904761904761904,
            0.22023809523809523, 0.023809523809523808, 0.050595238095238096, 0.11904761904761904]),
    ];
    let table = table(vec![numeric("x", &NUMBERS)]);
    for (impute, scale, expected) in cases {
        let features = fit(&table, &scaled(impute, scale)).unwrap().transform(&table).unwrap();
        for (found, expected) in features.column(0).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{impute:?} {scale:?}: {found} {expected}");
        }
    }
}

#[test]
fn rare_and_unseen_categories_share_a_column_as_scikit_learns_do() {
    // OneHotEncoder(min_frequency=2, max_categories=3, handle_unknown="infrequent_if_exist") on list("aaaaabbbccdde")
    // and with (min_frequency=3): columns a, b, infrequent for both; a, b, c, e, zz -> 100, 010, 001, 001, 001
    let training = table(vec![letters("x", "aaaaabbbccdde")]);
    for (min_frequency, max_categories) in [(2, 3), (3, 100)] {
        let mut config = config();
        config.categorical.min_frequency = min_frequency;
        config.categorical.max_categories = max_categories;
        let fitted = fit(&training, &config).unwrap();
        assert_eq!(fitted.feature_names(), ["x=a", "x=b", "x=<rare>"]);
        let features = fitted.transform(&table(vec![letters("x", "abcez.")])).unwrap();
        let ones: Vec<Vec<f64>> = (0..6).map(|index| row(&features, index)).collect();
        let unit = |position: usize| (0..3).map(|it| f64::from(u8::from(it == position))).collect::<Vec<_>>();
        assert_eq!(ones, [unit(0), unit(1), unit(2), unit(2), unit(2), unit(2)]);
    }
}

#[test]
fn without_a_rare_bucket_the_unseen_is_all_zeros() {
    let fitted = fit(&table(vec![letters("x", "aab")]), &config()).unwrap();
    assert_eq!(fitted.feature_names(), ["x=a", "x=b"]);
    let features = fitted.transform(&table(vec![letters("x", "z.a")])).unwrap();
    assert_eq!((row(&features, 0), row(&features, 1), row(&features, 2)), (vec![0.0; 2], vec![0.0; 2], vec![1.0, 0.0]));
    assert!(fitted.inputs()[0].unseen_policy.as_ref().unwrap().contains("all zeros"));
}

#[test]
fn as_many_categories_as_allowed_keep_their_columns_and_one_more_makes_a_bucket() {
    let mut config = config();
    config.categorical.max_categories = 3;
    let names = |text: &str| fit(&table(vec![letters("x", text)]), &config).unwrap().feature_names();
    assert_eq!(names("abc"), ["x=a", "x=b", "x=c"]);
    assert_eq!(names("abcdd"), ["x=a", "x=d", "x=<rare>"]);
}

#[test]
fn missing_categories_follow_the_policy() {
    let training = table(vec![letters("x", "aab..")]);
    let named = |impute| {
        let mut config = config();
        config.categorical.impute = impute;
        let fitted = fit(&training, &config).unwrap();
        (fitted.feature_names(), row(&fitted.transform(&training).unwrap(), 4))
    };
    assert_eq!(
        named(CategoricalImpute::Indicator),
        (["x=a", "x=b", "x=<missing>"].map(str::to_owned).to_vec(), vec![0.0, 0.0, 1.0])
    );
    assert_eq!(named(CategoricalImpute::MostFrequent), (["x=a", "x=b"].map(str::to_owned).to_vec(), vec![1.0, 0.0]));
    assert_eq!(
        named(CategoricalImpute::Constant),
        (["x=a", "x=b", "x=missing"].map(str::to_owned).to_vec(), vec![0.0, 0.0, 1.0])
    );
}

#[test]
fn columns_are_named_and_constant_ones_dropped() {
    let training = table(vec![
        numeric("age", &[1.0, NAN, 3.0, 4.0]),
        numeric("same", &[5.0; 4]),
        numeric("void", &[NAN; 4]),
        numeric("same_or_missing", &[5.0, NAN, 5.0, 5.0]),
        letters("job", "aab."),
        letters("one", "aaaa"),
        flags("flag", "tf.t"),
        flags("yes", "tttt"),
        flags("no_or_missing", "ff.f"),
    ]);
    let fitted = fit(&training, &config()).unwrap();
    let expected = [
        "age",
        "age_missing",
        "same_or_missing_missing",
        "job=a",
        "job=b",
        "job=<missing>",
        "flag",
        "flag_missing",
        "no_or_missing_missing",
    ];
    assert_eq!(fitted.feature_names(), expected);
    assert_eq!(fitted.dropped_columns(), ["same", "void", "one", "yes"]);
    let noisy: Vec<usize> =
        fitted.noise_columns().iter().enumerate().filter(|(_, noisy)| **noisy).map(|(index, _)| index).collect();
    assert_eq!((noisy, fitted.noise_columns().len()), (vec![0], expected.len()));
    let features = fitted.transform(&training).unwrap();
    assert_eq!(features.row(2).to_vec()[1..], [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
    let inputs = fitted.inputs();
    assert_eq!(inputs.len(), 5);
    assert_eq!(inputs[2].categories.as_deref(), Some(["a".to_owned(), "b".to_owned()].as_slice()));
    assert!(inputs[0].missing_policy.contains("becomes 3, the median"), "{}", inputs[0].missing_policy);
}

#[test]
fn tables_that_do_not_fit_are_refused() {
    let training = table(vec![numeric("a", &[1.0, 2.0]), letters("b", "xy")]);
    let fitted = fit(&training, &config()).unwrap();
    let missing = fitted.transform(&table(vec![numeric("a", &[1.0])]));
    assert_eq!(missing, Err(PreprocessError::MissingColumn { column: "b".to_owned() }));
    let wrong = fitted.transform(&table(vec![letters("a", "x"), letters("b", "x")]));
    assert!(matches!(wrong, Err(PreprocessError::WrongType { column, .. }) if column == "a"));
    assert_eq!(fit(&table(vec![numeric("a", &[])]), &config()), Err(PreprocessError::NoRows));
    assert_eq!(fit(&table(vec![numeric("a", &[1.0])]), &config()), Err(PreprocessError::NoFeatures { dropped: 1 }));
}

#[test]
fn a_robust_scale_without_an_interquartile_range_uses_half_the_range() {
    let training = table(vec![numeric("x", &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 10.0])]);
    let features = fit(&training, &scaled(NumericImpute::Median, Scale::Robust)).unwrap().transform(&training).unwrap();
    assert_eq!((features[(0, 0)], features[(7, 0)]), (0.0, 2.0));
}

#[test]
fn forged_bytes_are_refused_and_honest_ones_round_trip() {
    let training = table(vec![numeric("a", &[0.1, NAN, 0.3]), letters("b", "xy."), flags("c", "t.f")]);
    let fitted = fit(&training, &config()).unwrap();
    let text = serde_json::to_string(&fitted).unwrap();
    let back: FittedPreprocessor = serde_json::from_str(&text).unwrap();
    assert_eq!((&back, back.validate()), (&fitted, Ok(())));
    let spread =
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["columns"][0]["scaling"]["spread"].to_string();
    for (from, to) in [
        (format!("\"spread\":{spread}"), "\"spread\":0.0".to_owned()),
        (format!("\"spread\":{spread}"), "\"spread\":-1.0".to_owned()),
        ("[\"x\",\"y\"]".to_owned(), "[\"y\",\"x\"]".to_owned()),
        ("\"dropped\":[]".to_owned(), "\"dropped\":[\"a\"]".to_owned()),
        ("\"name\":\"b\"".to_owned(), "\"name\":\"a\"".to_owned()),
    ] {
        assert!(text.contains(&from), "{from} in {text}");
        let forged: FittedPreprocessor = serde_json::from_str(&text.replace(&from, &to)).unwrap();
        assert!(matches!(forged.validate(), Err(PreprocessError::Invalid { .. })), "{to}");
    }
    assert!(serde_json::from_str::<FittedPreprocessor>(&text.replace("\"fill\":", "\"fell\":")).is_err());
}

fn any_config() -> impl Strategy<Value = Preprocess> {
    let imputes = prop::sample::select(vec![
        NumericImpute::Median,
        NumericImpute::Mean,
        NumericImpute::MostFrequent,
        NumericImpute::Constant,
    ]);
    let scales = prop::sample::select(vec![Scale::Standard, Scale::Robust, Scale::MinMax, Scale::None]);
    let categorical = prop::sample::select(vec![
        CategoricalImpute::Indicator,
        CategoricalImpute::MostFrequent,
        CategoricalImpute::Constant,
    ]);
    (imputes, scales, categorical, 0_usize..4, 2_usize..5, any::<bool>()).prop_map(
        |(impute, scale, categorical, min_frequency, max_categories, missing_indicator)| {
            let mut config = config();
            config.numeric = NumericPreprocess { impute, fill_value: -1.0, missing_indicator, scale };
            config.categorical.impute = categorical;
            config.categorical.min_frequency = min_frequency;
            config.categorical.max_categories = max_categories;
            config
        },
    )
}

fn any_table() -> impl Strategy<Value = Table> {
    (1_usize..20).prop_flat_map(|rows| {
        let number = prop_oneof![3 => prop::num::f64::NORMAL, 3 => -5.0..5.0, 1 => Just(NAN), 1 => Just(f64::MAX), 1 => Just(5e-324)];
        let numbers = prop::collection::vec(number, rows);
        let letter = prop::sample::select(vec!['a', 'b', 'c', 'd', 'e', '.']);
        let words = prop::collection::vec(letter, rows);
        let yes_no = prop::collection::vec(prop::sample::select(vec!['t', 'f', '.']), rows);
        (numbers, words, yes_no).prop_map(|(numbers, words, yes_no)| {
            let text = |letters: Vec<char>| letters.into_iter().collect::<String>();
            table(vec![numeric("n", &numbers), letters("w", &text(words)), flags("f", &text(yes_no))])
        })
    })
}

proptest! {
    #[test]
    fn whatever_was_learnt_is_valid_and_gives_finite_numbers_row_by_row(
        training in any_table(), other in any_table(), config in any_config()
    ) {
        let Ok(fitted) = fit(&training, &config) else { return Ok(()) };
        prop_assert_eq!(fitted.validate(), Ok(()));
        let width = fitted.feature_names().len();
        prop_assert_eq!(fitted.noise_columns().len(), width);
        let learnt = fitted.transform(&training).unwrap();
        let varies = |column: ndarray::ArrayView1<'_, f64>| column.iter().any(|value| Some(value) != column.first());
        for (index, column) in learnt.columns().into_iter().enumerate() {
            // A number so small that its spread is lost beside the rest may still come out constant.
            prop_assert!(fitted.noise_columns()[index] || varies(column), "{:?}", fitted.feature_names()[index]);
        }
        let all = fitted.transform(&other).unwrap();
        prop_assert_eq!(all.dim(), (other.rows(), width));
        prop_assert!(all.iter().chain(&learnt).all(|value| value.is_finite()));
        for index in 0..other.rows() {
            let alone = fitted.transform(&other.select(&[index])).unwrap();
            prop_assert_eq!(row(&alone, 0), row(&all, index));
        }
        let text = serde_json::to_string(&fitted).unwrap();
        let back: FittedPreprocessor = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(back, fitted);
    }
}

#[test]
fn columns_of_one_category_belong_together_and_whole_numbers_are_known() {
    let table = Table::new(vec![
        numeric("age", &[30.0, 40.0, NAN, 50.0]),
        letters("job", "abca"),
        numeric("share", &[0.5, 1.0, 2.0, 3.0]),
        flags("flag", "tf.."),
    ])
    .unwrap();
    let fitted = fit(&table, &config()).unwrap();
    let expected = ["age", "age_missing", "job=a", "job=b", "job=c", "share", "flag", "flag_missing"];
    assert_eq!(fitted.feature_names(), expected);
    let kinds = fitted.feature_kinds(&table);
    assert_eq!(kinds.categories, [1..2, 2..5, 6..8]);
    assert_eq!(kinds.numeric_columns(8), [0, 5]);
    assert_eq!(kinds.whole.len(), 1);
    assert_eq!((kinds.whole[0].column, kinds.whole[0].center), (0, 40.0));
    assert!((kinds.whole[0].spread - 50_f64.sqrt()).abs() < 1e-12);
}
