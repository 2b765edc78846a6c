//! Every option of a network, posted to the service: it is shown with its defaults, can be posted again as shown,
//! trains, and leaves learning curves and a model.

use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::app::App;
use crate::support::client::{Client, places};
use crate::support::data;

const EPOCHS: usize = 3;

/// The table of [`data::csv`] without missing values, and a column of weights.
fn weighted_csv(rows: usize, weight: impl Fn(usize) -> String) -> String {
    let table = data::csv(rows).replace(",,", ",25,");
    let mut lines = table.lines();
    let mut text = format!("weight,{}\n", lines.next().unwrap_or_default());
    for (row, line) in lines.enumerate() {
        text.push_str(&format!("{},{line}\n", weight(row)));
    }
    text
}

/// One job for each value of each option, and a few of many at once.
fn every_option() -> Vec<Value> {
    let mut jobs = Vec::new();
    let mut each = |section: &str, values: &[Value]| {
        jobs.extend(values.iter().map(|value| json!({ section: value })));
    };
    let activations =
        ["relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid"].map(Value::from);
    each("model", &activations.map(|name| json!({ "activation": name })));
    let initializers = ["he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "lecun_normal", "lecun_uniform"];
    each("model", &initializers.map(|name| json!({ "initializer": name })));
    each(
        "model",
        &[
            json!({"normalization": "batch", "dropout": 0.2}),
            json!({"normalization": "layer", "residual": true, "hidden_layers": [6, 6, 6]}),
            json!({"members": 3}),
            json!({"prior_bias": false, "hidden_layers": []}),
        ],
    );
    each(
        "optimizer",
        &[
            json!({"type": "adam", "beta_1": 0.8}),
            json!({"type": "adamw", "weight_decay": 0.01}),
            json!({"type": "sgd", "momentum": 0.0}),
            json!({"type": "sgd", "nesterov": true}),
            json!({"type": "rmsprop", "momentum": 0.5}),
        ],
    );
    each(
        "loss",
        &[
            json!({"class_weight": "balanced"}),
            json!({"class_weight": {"yes": 7, "no": 1}, "label_smoothing": 0.1}),
            json!({"type": "focal", "gamma": 1.5}),
            json!({"type": "asymmetric"}),
            json!({"type": "logit_adjusted", "tau": 0.5}),
            json!({"type": "ldam", "scale": 10}),
            json!({"type": "class_balanced", "beta": 0.99}),
        ],
    );
    let methods = ["none", "prior", "auto", "platt", "temperature", "beta", "isotonic"];
    each("calibration", &methods.map(|name| json!({ "method": name })));
    each(
        "training",
        &[
            json!({"batches": "stratified"}),
            json!({"batches": "balanced"}),
            json!({"schedule": {"type": "constant", "warm_up_epochs": 1}}),
            json!({"schedule": {"type": "step", "every": 1}}),
            json!({"schedule": {"type": "exponential"}}),
            json!({"schedule": {"type": "cosine", "warm_up_epochs": 1}}),
            json!({"schedule": {"type": "one_cycle"}}),
            json!({"schedule": {"type": "reduce_on_plateau", "patience": 1}}),
            json!({"gradient_clipping": {"type": "norm", "max": 0.5}}),
            json!({"gradient_clipping": {"type": "value", "max": 0.1}}),
            json!({"weight_averaging": {"type": "ema", "decay": 0.9}}),
            json!({"weight_averaging": {"type": "swa"}}),
            json!({"early_stopping": null}),
        ],
    );
    let monitors = ["loss", "brier", "average_precision", "roc_auc", "f1", "mcc", "balanced_accuracy", "g_mean"];
    each(
        "training",
        &monitors.map(|name| {
            json!({"early_stopping": {"monitor": format!("validation_{name}"), "patience": 1, "start_from_epoch": 2}})
        }),
    );
    jobs.push(json!({"calibration": {"method": "prior", "prevalence": 0.01}, "threshold": {"rule": "max_mcc"}}));
    jobs.push(json!({"bagging": {"members": 3}}));
    jobs.push(json!({
        "bagging": {"members": 2, "resample": [{"method": "random_under_sampler", "sampling_strategy": 0.8}]},
        "resample": [{"method": "tomek_links"}], "exclude": ["weight"],
    }));
    jobs.push(json!({"sample_weight": "weight"}));
    jobs.push(json!({
        "sample_weight": "weight", "exclude": ["weight"], "calibration": {"method": "platt"},
        "model": {"activation": "prelu", "normalization": "batch", "residual": true, "members": 2},
        "loss": {"type": "focal"}, "augment": [{"method": "gaussian_noise", "classes": "all"}],
        "training": {"batches": "balanced", "schedule": {"type": "one_cycle"}, "gradient_clipping": {},
            "weight_averaging": {"type": "ema"}},
    }));
    for job in &mut jobs {
        job["training"]["epochs"] = json!(EPOCHS);
        job["training"]["batch_size"] = json!(32);
        job["evaluation"] = json!({"bootstrap": 0});
        if job["model"]["hidden_layers"].is_null() {
            job["model"]["hidden_layers"] = json!([8, 8]);
        }
    }
    jobs
}

/// What was asked for is in what is shown, whatever else is there.
fn contains(shown: &Value, asked: &Value) -> bool {
    match (shown, asked) {
        (Value::Object(shown), Value::Object(asked)) => {
            asked.iter().all(|(name, asked)| shown.get(name).is_some_and(|shown| contains(shown, asked)))
        }
        (Value::Array(shown), Value::Array(asked)) => {
            shown.len() == asked.len() && shown.iter().zip(asked).all(|(shown, asked)| contains(shown, asked))
        }
        (Value::Number(shown), Value::Number(asked)) => shown.as_f64() == asked.as_f64(),
        (shown, asked) => shown == asked,
    }
}

async fn validated(client: &Client, dataset: &Value, members: &Value) -> Value {
    let mut request = members.clone();
    request["dataset_id"] = dataset["id"].clone();
    client.post("/v1/jobs/validate").json(&request).send().await.expect_status(200)["config"].clone()
}

async fn curves(client: &Client, model: &Value) -> Vec<Value> {
    let path = format!("/v1/jobs/{}/epochs", model["job_id"].as_str().unwrap());
    client.get(&path).send().await.expect_status(200)["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_option_is_shown_can_be_posted_again_and_trains() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", weighted_csv(240, |row| (1 + row % 3).to_string())).await;
    for job in every_option() {
        let shown = validated(&client, &dataset, &job).await;
        assert!(contains(&shown, &job), "{job} is not in {shown}");
        assert_eq!(validated(&client, &dataset, &shown).await, shown, "what is shown can be posted again");

        let model = client.train(&dataset, job.clone()).await;
        let path = format!("/v1/jobs/{}", model["job_id"].as_str().unwrap());
        let stored = client.get(&path).send().await.expect_status(200)["config"].clone();
        assert_eq!(stored, shown, "what is stored is what was shown");
        let epochs = curves(&client, &model).await;
        assert!((2..=EPOCHS).contains(&epochs.len()), "{job}: {epochs:?}");
        let layers = stored["model"]["hidden_layers"].as_array().unwrap().len() + 1;
        for epoch in &epochs {
            assert_eq!(epoch["layers"].as_array().unwrap().len(), layers, "{job}");
            for member in ["train_loss", "penalty", "validation_loss", "validation_recall", "gradient_norm"] {
                assert!(epoch[member].is_number(), "{job}: {member} in {epoch}");
            }
        }
        let features: Vec<&str> =
            model["features"].as_array().unwrap().iter().filter_map(|feature| feature["name"].as_str()).collect();
        let is_feature = job["sample_weight"].is_null() && job["exclude"].is_null();
        assert_eq!(features.contains(&"weight"), is_feature, "{job}: {features:?}");
    }
}

#[tokio::test]
async fn the_learning_curves_show_the_schedule() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(240)).await;
    for (schedule, expected) in [
        (json!({"type": "step", "every": 1, "factor": 0.5}), [0.01, 0.005, 0.0025]),
        (json!({"type": "exponential", "factor": 0.1}), [0.01, 0.001, 0.0001]),
        (json!({"type": "constant", "warm_up_epochs": 2}), [0.005, 0.01, 0.01]),
    ] {
        let job = json!({
            "optimizer": {"type": "adam", "learning_rate": 0.01},
            "training": {"epochs": 3, "schedule": schedule, "early_stopping": null},
            "evaluation": {"bootstrap": 0},
        });
        let model = client.train(&dataset, job).await;
        let rates: Vec<f64> =
            curves(&client, &model).await.iter().filter_map(|epoch| epoch["learning_rate"].as_f64()).collect();
        let near = rates.iter().zip(expected).all(|(found, expected)| (found / expected - 1.0).abs() < 1e-9);
        assert!(near && rates.len() == 3, "{schedule}: {rates:?}");
    }
}

#[tokio::test]
async fn a_model_of_weighted_rows_does_not_ask_for_the_weights() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", weighted_csv(240, |row| (1 + row % 3).to_string())).await;
    let job = json!({"sample_weight": "weight", "training": {"epochs": 3}, "evaluation": {"bootstrap": 0}});
    let weighted = client.train(&dataset, job).await;
    let path = format!("/v1/models/{}/predict", weighted["id"].as_str().unwrap());
    let mut row = data::row(2.9, -0.7);
    let without = client.post(&path).json(&json!({"rows": [row]})).send().await.expect_status(200);
    row["weight"] = json!(1e6);
    let with = client.post(&path).json(&json!({"rows": [row]})).send().await.expect_status(200);
    assert_eq!(without["predictions"], with["predictions"]);
    assert_eq!(with["ignored_columns"], json!(["weight"]));
    let plain = json!({"exclude": ["weight"], "training": {"epochs": 3}, "evaluation": {"bootstrap": 0}});
    assert_ne!(client.train(&dataset, plain).await["sha256"], weighted["sha256"], "weights change what is learnt");
}

#[tokio::test]
async fn weights_that_are_none_fail_the_job_and_name_the_row() {
    let app = App::start().await;
    let client = app.client();
    // A column says which part a row is in, so that it is known which rows are weighed.
    let part = |row: usize| ["train", "train", "train", "validation", "test"][(row / 8) % 5];
    let with = |weight: &dyn Fn(usize) -> String| {
        let text = weighted_csv(240, weight);
        let lines = text.lines().enumerate().map(|(line, rest)| match line {
            0 => format!("part,{rest}\n"),
            line => format!("{},{rest}\n", part(line - 1)),
        });
        lines.collect::<String>()
    };
    let job = json!({
        "sample_weight": "weight", "split": {"strategy": "column", "column": "part"},
        "training": {"epochs": 2}, "evaluation": {"bootstrap": 0}
    });
    let one = |at: usize, value: &'static str| move |row: usize| if row == at { value.into() } else { "1".to_owned() };
    for (csv, word) in [
        (with(&one(41, "-1")), "row 42"),
        (with(&one(2, "")), "row 3"),
        (with(&|row| if row % 8 == 3 { "0".to_owned() } else { "1".to_owned() }), "all positive training rows"),
        (with(&|row| if row % 8 == 3 { "1".to_owned() } else { "0".to_owned() }), "all negative training rows"),
    ] {
        let dataset = client.upload("", csv).await;
        let mut request = job.clone();
        request["dataset_id"] = dataset["id"].clone();
        let ended = client.finish(&client.queue(&request).await).await;
        assert_eq!(ended["failure"]["code"], "invalid-data", "{ended:#}");
        let detail = ended["failure"]["detail"].as_str().unwrap();
        assert!(detail.contains(word) && detail.contains("\"weight\""), "{detail}");
    }
    // Rows 33 to 40 are tested: nobody asks how much they would weigh.
    let dataset = client.upload("", with(&one(33, ""))).await;
    client.train(&dataset, job).await;
}

#[tokio::test]
async fn options_that_do_not_combine_are_all_named_at_once() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", weighted_csv(80, |_| "1".to_owned())).await;
    let network = json!({
        "dataset_id": dataset["id"], "sample_weight": "weight", "resample": [{"method": "smote", "k_neighbors": 2}],
        "bagging": {"members": 1, "resample": [{"method": "tomek_links"}]},
        "model": {"hidden_layers": [], "dropout": 0.5, "residual": true, "normalization": "batch"},
        "loss": {"type": "ldam", "tau": 1}, "optimizer": {"type": "sgd", "momentum": 0, "nesterov": true},
        "training": {"epochs": 4, "batch_size": 1, "batches": "balanced", "schedule": {"warm_up_epochs": 4},
            "weight_averaging": {"type": "swa", "start_epoch": 5}, "early_stopping": {"start_from_epoch": 5}},
        "calibration": {"method": "prior"}
    });
    let problem = client.post("/v1/jobs").json(&network).send().await.expect_problem(422, "invalid-request");
    let mut found = places(&problem);
    found.sort();
    let expected = [
        "/bagging/members",
        "/bagging/resample",
        "/calibration/method",
        "/loss/tau",
        "/model/dropout",
        "/model/normalization",
        "/model/residual",
        "/optimizer/nesterov",
        "/sample_weight",
        "/training/batch_size",
        "/training/batches",
        "/training/early_stopping/start_from_epoch",
        "/training/schedule/warm_up_epochs",
        "/training/weight_averaging/start_epoch",
    ];
    assert_eq!(found, expected, "{problem:#}");

    let logistic = json!({
        "dataset_id": dataset["id"], "sample_weight": "weight", "model": {"type": "logistic", "dropout": 0.1},
        "loss": {"type": "focal"}, "optimizer": {"type": "adam"}, "training": {"batches": "balanced"}
    });
    let problem = client.post("/v1/jobs").json(&logistic).send().await.expect_problem(422, "invalid-request");
    let mut found = places(&problem);
    found.sort();
    assert_eq!(found, ["/loss/type", "/model/dropout", "/optimizer", "/sample_weight", "/training"], "{problem:#}");
    let shown = validated(&client, &dataset, &json!({"model": {"type": "logistic"}})).await;
    assert_eq!((&shown["optimizer"], &shown["training"]), (&Value::Null, &Value::Null));
    assert_eq!(validated(&client, &dataset, &shown).await, shown);
}

/// Runs the program and gives whether it succeeded, with what it said.
fn run(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_evenkeel")).args(arguments).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test]
async fn the_command_line_trains_the_same_model_and_refuses_the_same() {
    let app = App::start().await;
    let client = app.client();
    let csv = weighted_csv(240, |row| (1 + row % 3).to_string());
    let dataset = client.upload("", csv.clone()).await;
    let job = every_option().pop().unwrap();
    let model = client.train(&dataset, job.clone()).await;

    let file = |name: &str| app.data_dir().join(name).display().to_string();
    let (table, config, out) = (file("table.csv"), file("job.json"), file("out"));
    std::fs::write(&table, &csv).unwrap();
    let mut shown = validated(&client, &dataset, &job).await;
    std::fs::write(&config, shown.to_string()).unwrap();
    let (succeeded, said) = run(&["train", "--data", &table, "--config", &config, "--out", &out]);
    assert!(succeeded, "{said}");
    let artifact = std::fs::read(file("out/model.safetensors")).unwrap();
    let hash: String = Sha256::digest(artifact).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(model["sha256"], hash, "the same job gives the same bytes");

    let rows = file("rows.csv");
    std::fs::write(&rows, "height,width,colour,age\n2.9,-0.7,red,31\n").unwrap();
    let (succeeded, said) = run(&["predict", "--model", &out, "--data", &rows, "--out", &file("predictions.csv")]);
    assert!(succeeded, "a prediction does not ask for the weights: {said}");

    shown["resample"] = json!([{"method": "smote"}]);
    std::fs::write(&config, shown.to_string()).unwrap();
    let (succeeded, said) = run(&["train", "--data", &table, "--config", &config, "--out", &out]);
    assert!(!succeeded && said.contains("/sample_weight"), "{said}");
}
