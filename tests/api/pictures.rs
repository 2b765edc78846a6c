//! Pictures and the page: what they show, and that no text of the data becomes markup.

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::client::{Client, places};
use crate::support::data;

const PLOTS: [&str; 8] = [
    "learning_curves",
    "roc",
    "precision_recall",
    "reliability",
    "score_histogram",
    "confusion_matrix",
    "cost_against_threshold",
    "importances",
];

async fn trained(csv: String, further: Value) -> (App, Client, String) {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("?name=%3Cimg%20src%3Dx%3E", csv).await;
    let model = client.train(&dataset, further).await;
    let model = format!("/v1/models/{}", model["id"].as_str().unwrap());
    (app, client, model)
}

#[tokio::test]
async fn every_picture_is_drawn_for_every_page() {
    let (_app, client, model) = trained(data::csv(400), data::quick()).await;
    for plot in PLOTS {
        let mut drawn = Vec::new();
        for theme in ["light", "dark", "auto"] {
            let path = format!("{model}/plots/{plot}.svg?theme={theme}");
            let reply = client.get(&path).send().await;
            assert_eq!((reply.status, reply.header("content-type")), (200, "image/svg+xml".to_owned()), "{path}");
            assert!(reply.header("content-security-policy").contains("default-src 'none'"));
            let svg = reply.text();
            assert!(svg.starts_with("<svg ") && svg.contains("<title>") && svg.contains("<desc>"), "{svg}");
            assert!(svg.contains("80 ") || plot == "learning_curves", "the number of rows: {svg}");
            let again = client.get(&path).header("if-none-match", &reply.header("etag")).send().await;
            assert_eq!(again.status, 304);
            drawn.push(svg);
        }
        assert!(drawn[0] != drawn[1] && drawn[2].contains("prefers-color-scheme"));
        assert_eq!(client.get(&format!("{model}/plots/{plot}.svg")).send().await.text(), drawn[2]);
    }
    let cost = |query: &'static str| client.get(&format!("{model}/plots/cost_against_threshold.svg{query}")).send();
    assert_ne!(cost("?false_negative=30").await.text(), cost("").await.text());
    client.get(&format!("{model}/plots/pie.svg")).send().await.expect_problem(404, "not-found");
    let wrong = client.get(&format!("{model}/plots/roc.svg?theme=pink&size=3")).send().await;
    let mut found = places(&wrong.expect_problem(422, "invalid-request"));
    found.sort();
    assert_eq!(found, ["?size", "?theme"]);
    client.get("/v1/models/17/plots/roc.svg").send().await.expect_problem(400, "malformed-request");
}

#[tokio::test]
async fn the_page_says_everything_and_loads_nothing() {
    let (_app, client, model) = trained(data::csv(400), data::quick()).await;
    let reply = client.get(&format!("{model}/report.html")).send().await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/html; charset=utf-8".to_owned()));
    let policy = reply.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let html = reply.text();
    for loading in ["<script", " src=\"", "<img", "<link", "@import", "url(", "<iframe", "<style>@"] {
        assert!(!html.contains(loading), "{loading}");
    }
    assert_eq!(html.matches("<style>").count(), 1, "one style, which the policy names");
    assert_eq!(html.matches("<svg ").count(), PLOTS.len());
    assert_eq!(html.matches("role=\"img\"").count(), PLOTS.len());
    let verdict = html.find("class=\"verdict").unwrap();
    assert!(verdict < html.find("<h2>").unwrap(), "the verdict comes first");
    for part in ["What to know about it", "checks found nothing to warn of", "this model", "boosted stumps"] {
        assert!(html.contains(part), "{part}");
    }
    for part in ["average precision", "No skill", "of 10 positive rows", "smote", "height", "hidden_layers", "SHA-256"]
    {
        assert!(html.contains(part), "{part}");
    }
    let again = client.get(&format!("{model}/report.html")).header("if-none-match", &reply.header("etag")).send().await;
    assert_eq!(again.status, 304);

    // Another threshold is another page.
    let put = client.call("put", &format!("{model}/threshold")).header("if-match", "*").json(&json!({"value": 1.0}));
    put.send().await.expect_status(200);
    let changed = client.get(&format!("{model}/report.html")).send().await.text();
    assert!(changed.contains("gives every test row the same answer") && changed != html);
}

#[tokio::test]
async fn labels_and_names_of_the_data_stay_text() {
    let hostile = "<script>alert(1)</script>";
    let csv = data::csv(400).replace(",yes\n", &format!(",{hostile}\n"));
    let csv = csv.replacen("height", "\"<b onclick='x'>height\"\"</svg>\"", 1);
    let further = json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 20}, "model_name": "<i>&amp;"});
    let (_app, client, model) = trained(csv, further).await;
    for path in PLOTS.map(|plot| format!("plots/{plot}.svg")).iter().map(String::as_str).chain(["report.html"]) {
        let text = client.get(&format!("{model}/{path}")).send().await.text();
        for markup in ["<script", "<b onclick", "<img", "<i>&amp;"] {
            assert!(!text.contains(markup), "{path}: {markup}");
        }
        assert_eq!(text.matches("</svg>").count(), text.matches("<svg ").count(), "{path}");
    }
    let matrix = client.get(&format!("{model}/plots/confusion_matrix.svg")).send().await.text();
    assert!(matrix.contains("&lt;script"), "{matrix}");
}
