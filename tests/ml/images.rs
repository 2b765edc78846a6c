//! Pictures as rows of a table, from the split to predictions.

use std::collections::BTreeMap;

use evenkeel::ml::config::{DatasetFacts, FeatureFacts, PictureFacts};
use evenkeel::ml::model::Predictor;
use evenkeel::ml::picture::{PictureShape, Pictures};
use evenkeel::ml::table::{Column, ColumnType, Table, Values};
use serde_json::json;

use evenkeel::ml::pipeline::{PreviewSize, Trained, preview, preview_rows, preview_sheet};

use crate::support::{Data, metric};

const SHAPE: PictureShape = PictureShape { height: 6, width: 5, channels: 1 };

/// Grey noise; one in eight has a bright cross somewhere, which makes it positive.
pub(crate) fn crosses(rows: usize) -> Data {
    let mut pixels = Vec::new();
    let (mut labels, mut state) = (Vec::new(), 12_345_u32);
    for row in 0..rows {
        let mut chance = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        let mut picture: Vec<u8> = (0..SHAPE.values()).map(|_| chance(120) as u8).collect();
        // The first line is the same in all of them.
        picture[..SHAPE.width].fill(9);
        let (y, x) = (2 + chance(3) as usize, 1 + chance(3) as usize);
        if row % 8 == 0 {
            for (dy, dx) in [(0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)] {
                picture[(y as isize + dy) as usize * SHAPE.width + (x as isize + dx) as usize] = 230;
            }
        }
        pixels.extend(picture);
        labels.push(u32::from(row % 8 == 0));
    }
    let positives = labels.iter().filter(|&&label| label == 1).count();
    let levels = vec!["plain".to_owned(), "cross".to_owned()];
    let columns = vec![
        Column { name: "image".to_owned(), values: Values::Pictures(Pictures::new(SHAPE, pixels).unwrap()) },
        Column { name: "label".to_owned(), values: Values::Categorical { codes: labels, levels } },
    ];
    let fact = |column: &Column| FeatureFacts {
        name: column.name.clone(),
        column_type: column.values.column_type(),
        distinct: if column.values.column_type() == ColumnType::Image { rows } else { 2 },
        values: None,
    };
    let facts = DatasetFacts {
        rows,
        target: "label".to_owned(),
        positive_label: "cross".to_owned(),
        columns: columns.iter().map(fact).collect(),
        origin_columns: Vec::new(),
        pictures: Some(PictureFacts { usual: SHAPE }),
        class_counts: BTreeMap::from([("plain".to_owned(), rows - positives), ("cross".to_owned(), positives)]),
    };
    Data { table: Table::new(columns).unwrap(), facts }
}

#[test]
fn a_linear_model_reads_each_pixel_that_varies() {
    let data = crosses(800);
    let trained = data.train(&json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}})).unwrap();
    assert_eq!(trained.model.preprocessor.width(), SHAPE.values() - SHAPE.width);
    assert_eq!(trained.model.preprocessor.feature_names()[0], "image[1,0]");
    assert!(metric(&trained, "average_precision") > 0.9, "{:?}", trained.report.metrics["average_precision"]);
    let again = evenkeel::ml::model::Model::from_bytes(&trained.model.to_bytes().unwrap()).unwrap();
    assert_eq!(again.predict(&data.table).unwrap(), trained.model.predict(&data.table).unwrap());
}

#[test]
fn a_linear_model_learns_from_each_copy_as_it_was_disturbed() {
    let data = crosses(800);
    let request = |augment: serde_json::Value| {
        json!({
            "model": {"type": "logistic"}, "evaluation": {"bootstrap": 0},
            "resample": [{"method": "random_over_sampler"}], "augment": augment
        })
    };
    let plain = data.train(&request(json!([]))).unwrap();
    let turned = data.train(&request(json!([{"method": "vertical_flip", "probability": 0.5}]))).unwrap();
    let again = data.train(&request(json!([{"method": "vertical_flip", "probability": 0.5}]))).unwrap();
    let bytes = |trained: &Trained| trained.model.to_bytes().unwrap();
    assert_eq!(bytes(&turned), bytes(&again));
    assert_ne!(bytes(&turned), bytes(&plain));
    // What is read of a picture, and how, is learnt from pictures as they are.
    assert_eq!(turned.model.preprocessor, plain.model.preprocessor);
}

#[test]
fn the_preview_of_a_configuration_is_always_the_same_and_shows_training_pictures_of_both_classes() {
    let data = crosses(400);
    let config = |seed: u64| {
        data.config(&json!({"seed": seed, "augment": [{"method": "rotation", "degrees": 40, "classes": "all"}]}))
    };
    let size = PreviewSize { pictures: 6, draws: 3 };
    let sheet = |seed: u64| preview(&data.table, &config(seed), size).unwrap().unwrap();
    assert_eq!(sheet(1), sheet(1));
    assert_ne!(sheet(1), sheet(2));
    // Pictures of 6 × 5 are enlarged ten times, each in a frame of 2.
    assert_eq!((sheet(1).width, sheet(1).height), (4 + 54 + 12 + 3 * 58, 4 + 6 * 68));
    let frame = |line: usize| sheet(1).pixels[((4 + line * 68) * sheet(1).width + 4) * 3..][..3].to_vec();
    assert_eq!((0..6).map(frame).filter(|color| *color == [0xd5, 0x5e, 0x00]).count(), 3);
    let table = crate::support::read_csv(b"a,y\n1,0\n2,0\n3,0\n4,0\n5,1\n6,1\n7,1\n8,1\n9,0\n10,0\n");
    assert_eq!(preview(&table.table, &table.config(&json!({})), size).unwrap(), None);
}

/// Rows are chosen without any picture, and the sheet is the same; pictures are mixed with others of the classes that training
/// mixes them with.
#[test]
fn a_preview_needs_the_pictures_on_it_and_no_others() {
    let data = crosses(400);
    let size = PreviewSize { pictures: 6, draws: 2 };
    let Values::Pictures(pictures) = &data.table.column("image").unwrap().values else { panic!("pictures") };
    let paths = (0..400).map(|row| format!("{row}.png")).collect();
    let paths = Values::Categorical { codes: (0..400).collect(), levels: paths };
    let label = data.table.column("label").unwrap().clone();
    let unseen = Table::new(vec![Column { name: "image".to_owned(), values: paths }, label]).unwrap();
    for (classes, batches, others) in [("all", "shuffled", 64), ("minority", "shuffled", 30), ("all", "balanced", 62)] {
        let config = data.config(&json!({
            "model": {"type": "cnn"}, "training": {"batches": batches},
            "augment": [{"method": "mixup", "alpha": 2.0, "classes": classes}],
        }));
        let rows = preview_rows(&unseen, &config, size).unwrap();
        assert_eq!(rows.rows.len(), 6 + others, "{classes} {batches}");
        let sheet = preview_sheet(&rows, &pictures.select(&rows.rows), &config);
        assert_eq!(preview(&data.table, &config, size).unwrap(), Some(sheet));
    }
    let config = data.config(&json!({"model": {"type": "cnn"}, "augment": [{"method": "horizontal_flip"}]}));
    assert_eq!(preview_rows(&unseen, &config, size).unwrap().rows.len(), 6);
}

/// Networks on the pictures of [`crosses`].
fn networks() -> [serde_json::Value; 3] {
    let layers = json!([
        {"type": "conv", "filters": 8}, {"type": "batch_norm"}, {"type": "activation"},
        {"type": "residual", "layers": [{"type": "depthwise_conv"}, {"type": "conv", "filters": 12, "kernel": 1}]},
        {"type": "activation", "function": "silu"}, {"type": "global_max_pool"}, {"type": "dropout", "probability": 0.1},
    ]);
    [
        json!({"type": "mlp", "hidden_layers": [32]}),
        json!({"type": "cnn"}),
        json!({"type": "cnn", "layers": layers, "members": 2}),
    ]
}

#[test]
fn networks_read_pictures_and_nothing_else_and_come_back_from_their_bytes() {
    let data = crosses(800);
    for model in networks() {
        let request = json!({
            "model": model, "training": {"epochs": 25}, "loss": {"type": "bce", "class_weight": "balanced"},
            "resample": [{"method": "random_over_sampler", "sampling_strategy": 0.5}],
            "evaluation": {"bootstrap": 0},
        });
        let trained = data.train(&request).unwrap();
        assert_eq!(trained.model.preprocessor.width(), 0);
        assert_eq!(trained.model.preprocessor.picture_shape(), Some(SHAPE));
        assert!(metric(&trained, "average_precision") > 0.9, "{model}: {:?}", trained.report.metrics);
        let bytes = trained.model.to_bytes().unwrap();
        let again = evenkeel::ml::model::Model::from_bytes(&bytes).unwrap();
        assert_eq!(again.to_bytes().unwrap(), bytes);
        let expected = trained.model.predict(&data.table).unwrap();
        assert_eq!(again.predict(&data.table).unwrap(), expected);
        // A picture has the same probability alone.
        let alone = data.table.select(&[17]);
        assert_eq!(again.predict(&alone).unwrap(), [expected[17]]);
    }
}

#[test]
fn a_cross_is_where_the_logit_comes_from() {
    let data = crosses(800);
    let request = json!({
        "model": {"type": "cnn", "layers": [
            {"type": "conv", "filters": 16}, {"type": "batch_norm"}, {"type": "activation"},
            {"type": "conv", "filters": 16}, {"type": "activation"}, {"type": "global_max_pool"}]},
        "training": {"epochs": 30}, "evaluation": {"bootstrap": 0},
    });
    let trained = data.train(&request).unwrap();
    let Predictor::Cnn(ensemble) = &trained.model.predictor else { panic!("a cnn was asked for") };
    let pictures = trained.model.preprocessor.pictures(&data.table).unwrap().unwrap();
    let embeddings = ensemble.embeddings(&pictures).unwrap();
    assert_eq!(embeddings.dim(), (800, 16));
    let mut hits = 0;
    for row in (0..800).step_by(8).take(40) {
        let heat = ensemble.heat_map(&pictures, row).unwrap();
        assert_eq!(heat.sides, [SHAPE.height, SHAPE.width]);
        let hottest = (0..heat.values.len()).max_by(|&a, &b| heat.values[a].total_cmp(&heat.values[b])).unwrap();
        // The middle of a cross and its arms are the brightest pixels there are.
        let near = |place: usize| {
            let [y, x] = [place / SHAPE.width, place % SHAPE.width];
            let beside = |a: usize, b: usize| a.abs_diff(b) <= 1;
            let bright = pictures.pictures.get(row).iter().enumerate().filter(|(_, value)| **value == 230);
            bright.into_iter().any(|(at, _)| beside(at / SHAPE.width, y) && beside(at % SHAPE.width, x))
        };
        hits += usize::from(near(hottest));
    }
    assert!(hits >= 32, "{hits} of 40");
}

#[test]
fn neighbours_are_found_in_what_a_network_sees() {
    let data = crosses(320);
    let request = |step: &serde_json::Value| {
        json!({
            "model": {"type": "mlp", "hidden_layers": [4]}, "training": {"epochs": 1}, "evaluation": {"bootstrap": 0},
            "resample": [step],
        })
    };
    let counts = |step: &serde_json::Value| {
        let trained = data.train(&request(step)).unwrap();
        let after = trained.class_counts.last().unwrap().counts;
        [after.positive, after.negative]
    };
    let [positive, negative] = counts(&json!({"method": "smote", "space": "embedding"}));
    assert_eq!(positive, negative);
    let [positive, negative] = counts(&json!({"method": "edited_nearest_neighbours", "space": "embedding"}));
    assert!(positive == 24 && (24..=168).contains(&negative), "{positive} {negative}");
    // One that was never told of a space goes by pixels.
    let config = data.config(&request(&json!({"method": "tomek_links"})));
    assert_eq!(serde_json::to_value(&config.resample[0]).unwrap()["space"], "pixels");
    let copies = data.config(&request(&json!({"method": "random_over_sampler"})));
    assert_eq!(serde_json::to_value(&copies.resample[0]).unwrap().get("space"), None);
}

#[test]
fn an_embedding_is_the_same_for_any_number_of_threads_and_another_for_another_seed() {
    let data = crosses(240);
    let request = |space: &str, seed: u64| {
        let step = json!({"method": "smote", "space": space});
        json!({
            "resample": [step], "evaluation": {"bootstrap": 0}, "model": {"type": "mlp", "hidden_layers": [4]}, "training": {"epochs": 2},
            "bagging": {"members": 2, "resample": [
                {"method": "random_under_sampler", "sampling_strategy": 1.0}, {"method": "tomek_links", "space": space}]},
            "seed": seed,
        })
    };
    let bytes = |space: &str, seed: u64, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| data.train(&request(space, seed)).unwrap().model.to_bytes().unwrap())
    };
    let one = bytes("embedding", 1, 1);
    assert_eq!(bytes("embedding", 1, 3), one);
    assert_ne!(bytes("embedding", 2, 2), one);
    assert_ne!(bytes("pixels", 1, 2), one);
}

#[test]
fn an_embedding_costs_work_that_is_told_before() {
    let data = crosses(240);
    let work = |space: &str| {
        let step = json!({"method": "smote", "space": space});
        let model = json!({"type": "mlp", "hidden_layers": [4]});
        let config = data.config(&json!({"model": model, "resample": [step], "training": {"epochs": 2}}));
        evenkeel::ml::pipeline::estimate(&config, &data.facts)
    };
    let (pixels, embedding) = (work("pixels"), work("embedding"));
    // A picture of 6 × 5 is several hundred thousand multiply-adds, 144 of them are gone through 30 times.
    assert!(embedding.multiply_adds > pixels.multiply_adds + 144 * 30 * 3 * 100_000, "{pixels:?} {embedding:?}");
    assert!(embedding.memory_bytes > pixels.memory_bytes);
}

#[test]
fn a_space_is_for_pictures_that_a_network_reads() {
    let data = crosses(240);
    let table = crate::support::read_csv(b"a,y\n1,0\n2,0\n3,0\n4,0\n5,1\n6,1\n7,1\n8,1\n9,0\n10,0\n");
    let network = json!({"type": "mlp"});
    let wrong = |data: &Data, model: &serde_json::Value, step: serde_json::Value| {
        let errors = data.check(&json!({"model": model, "resample": [step]})).unwrap_err();
        let errors: Vec<_> = errors.into_iter().map(|error| (error.pointer, error.detail)).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].0, "/resample/0/space");
        errors[0].1.clone()
    };
    for space in ["pixels", "embedding"] {
        let step = json!({"method": "tomek_links", "space": space});
        assert!(wrong(&table, &network, step.clone()).contains("for networks that read pictures"));
        assert!(wrong(&data, &json!({"type": "logistic"}), step).contains("for networks that read pictures"));
        let step = json!({"method": "random_under_sampler", "space": space});
        assert!(wrong(&data, &network, step).contains("no neighbours"));
    }
    for method in ["mixup", "gaussian_noise", "polynom_fit_smote", "random_over_sampler"] {
        assert!(wrong(&data, &network, json!({"method": method, "space": "embedding"})).contains("no neighbours"));
    }
    for method in ["geometric_smote", "cluster_centroids"] {
        assert!(wrong(&data, &network, json!({"method": method, "space": "embedding"})).contains("pixels"));
    }
    assert!(wrong(&data, &network, json!({"method": "smote", "space": "time"})).contains("expected one of"));
}
