//! Pictures that are disturbed while they are learnt from: shown before, refused where there are none, and asked about in
//! several views.

use serde_json::{Value, json};

use crate::archives::Zip;
use crate::archives::pictures::{crosses, grey, png};
use crate::support::app::{App, Engine};
use crate::support::client::{Client, places};
use crate::support::data;

async fn upload(client: &Client) -> Value {
    let call = client.post("/v1/datasets?name=crosses").header("content-type", "application/zip").body(crosses(240, 6));
    call.send().await.expect_status(201)
}

fn job(dataset: &Value, augment: &Value) -> Value {
    json!({
        "dataset_id": dataset["id"], "model": {"hidden_layers": [8]}, "training": {"epochs": 3},
        "evaluation": {"bootstrap": 0}, "augment": augment
    })
}

#[tokio::test]
async fn a_preview_is_there_before_while_and_after_the_job_runs() {
    let app = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let client = app.client();
    let dataset = upload(&client).await;
    let steps =
        json!([{"method": "rotation", "degrees": 30, "classes": "all"}, {"method": "cutout", "probability": 0.5}]);
    let queued = client.queue(&job(&dataset, &steps)).await;
    let path = format!("/v1/jobs/{}/augmentation-preview", queued["id"].as_str().unwrap());
    let reply = client.get(&format!("{path}?pictures=4&draws=3")).send().await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "image/png".to_owned()));
    let (tag, sheet) = (reply.header("etag"), reply.bytes.clone());
    let read = image::load_from_memory(&sheet).unwrap().into_rgb8();
    // Pictures of 8 × 8 are enlarged eight times, each in a frame of 2; two of the four are positive.
    assert_eq!(read.dimensions(), (4 + 68 + 12 + 3 * 72, 4 + 4 * 72));
    let frames = (0..4).filter(|line| read.get_pixel(4, 4 + line * 72).0 == [0xd5, 0x5e, 0x00]).count();
    assert_eq!(frames, 2);
    let unchanged = client.get(&format!("{path}?pictures=4&draws=3")).header("if-none-match", &tag).send().await;
    assert_eq!(unchanged.status, 304);
    let other = client.get(&path).send().await;
    assert_eq!(other.status, 200);
    assert_ne!(other.header("etag"), tag);
    client.post(&format!("/v1/jobs/{}/cancel", queued["id"].as_str().unwrap())).send().await;
    let again = client.get(&format!("{path}?pictures=4&draws=3")).send().await;
    assert_eq!((again.status, again.bytes), (200, sheet));
    for (query, parameter) in
        [("?pictures=0", "pictures"), ("?pictures=33", "pictures"), ("?draws=17", "draws"), ("?x=1", "x")]
    {
        let problem = client.get(&format!("{path}{query}")).send().await.expect_problem(422, "invalid-request");
        assert_eq!(places(&problem), [format!("?{parameter}")]);
    }
}

/// Of a dataset with files that are no rows, a preview shows what training learns from.
#[tokio::test]
async fn a_preview_passes_over_what_cannot_be_read() {
    let app = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let client = app.client();
    let picture = |index: u8| png(&grey(8, 8, |y, x| index + (y * 8 + x) as u8));
    let files: Vec<(String, Vec<u8>)> = (0..60)
        .map(|index| {
            let bytes = if index % 20 == 7 { picture(index)[..40].to_vec() } else { picture(index) };
            (format!("{}/{index:03}.png", if index % 3 == 0 { "a" } else { "b" }), bytes)
        })
        .collect();
    let zip = Zip::of(files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())));
    let call = client.post("/v1/datasets").header("content-type", "application/zip").body(zip);
    let dataset = call.send().await.expect_status(201);
    assert_eq!((&dataset["rows"], &dataset["columns"][0]["image"]["unreadable_count"]), (&json!(57), &json!(3)));
    let queued = client.queue(&job(&dataset, &json!([{"method": "mixup", "classes": "all"}]))).await;
    let path = format!("/v1/jobs/{}/augmentation-preview?pictures=6&draws=1", queued["id"].as_str().unwrap());
    let reply = client.get(&path).send().await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "image/png".to_owned()));
    let sheet = image::load_from_memory(&reply.bytes).unwrap().into_rgb8();
    // The first pixel of each picture is its number, which none has that cannot be read.
    for line in 0..6 {
        let number = sheet.get_pixel(4 + 2, 4 + 2 + line * 72).0[0];
        assert!(number < 60 && number % 20 != 7, "{number}");
    }
}

#[tokio::test]
async fn jobs_without_pictures_have_no_preview() {
    let app = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let client = app.client();
    let table = client.upload("", data::csv(200)).await;
    let queued = client.queue(&json!({"dataset_id": table["id"]})).await;
    let path = format!("/v1/jobs/{}/augmentation-preview", queued["id"].as_str().unwrap());
    client.get(&path).send().await.expect_problem(409, "no-result");
    let unknown = "/v1/jobs/01900000-0000-7000-8000-000000000000/augmentation-preview";
    client.get(unknown).send().await.expect_problem(404, "not-found");
    let rotated = json!({"dataset_id": table["id"], "augment": [{"method": "rotation"}]});
    let problem = client.post("/v1/jobs").json(&rotated).send().await.expect_problem(422, "invalid-request");
    assert_eq!(places(&problem), ["/augment/0"]);
}

#[tokio::test]
async fn a_network_is_asked_about_several_views_of_a_picture() {
    let app = App::start().await;
    let client = app.client();
    let dataset = upload(&client).await;
    let model = client.train(&dataset, job(&dataset, &json!([{"method": "horizontal_flip", "classes": "all"}]))).await;
    let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
    let ask = async |query: &str, picture: Vec<u8>| {
        let call = client.post(&format!("{path}{query}")).header("content-type", "image/png").body(picture);
        call.send().await.expect_status(200)["predictions"][0]["probability"].as_f64().unwrap()
    };
    let picture = |flipped: bool| png(&grey(8, 8, |y, x| (y * 13 + if flipped { 7 - x } else { x } * 29) as u8));
    let (plain, turned) = (ask("", picture(false)).await, ask("", picture(true)).await);
    let both = ask("?tta=horizontal_flip", picture(false)).await;
    // A picture and its mirror have the same views.
    assert_eq!(both, ask("?tta=horizontal_flip", picture(true)).await);
    assert!(plain.min(turned) <= both && both <= plain.max(turned), "{plain} {turned} {both}");
    let name = model["name"].as_str().unwrap();
    let pixels: Vec<u8> = grey(8, 8, |y, x| (y * 13 + x * 29) as u8).into_bytes();
    let infer = |parameters: Value| {
        let input = json!({"name": "image", "shape": [1, 8, 8], "datatype": "UINT8", "data": pixels});
        client.post(&format!("/v2/models/{name}/infer")).json(&json!({"inputs": [input], "parameters": parameters}))
    };
    let answer = infer(json!({"tta": "horizontal_flip"})).send().await.expect_status(200);
    assert_eq!(answer["outputs"][0]["data"], json!([both]));
    let problem = infer(json!({"tta": "spins"})).send().await.expect_problem(400, "invalid-inference");
    assert_eq!(places(&problem), ["/parameters/tta"]);
    for views in ["flips", "shifts", "turns"] {
        assert!((0.0..=1.0).contains(&ask(&format!("?tta={views}"), picture(false)).await));
    }
    let call = client.post(&format!("{path}?tta=spins")).header("content-type", "image/png").body(picture(false));
    assert_eq!(places(&call.send().await.expect_problem(422, "invalid-request")), ["?tta"]);
    let call = client.post(&format!("{path}?explain=true")).header("content-type", "image/png").body(picture(false));
    assert_eq!(places(&call.send().await.expect_problem(422, "invalid-request")), ["?explain"]);
    let table = client.upload("", data::csv(200)).await;
    let other = client.train(&table, data::quick()).await;
    let path = format!("/v1/models/{}/predict?tta=flips", other["id"].as_str().unwrap());
    let problem = client
        .post(&path)
        .json(&json!({"rows": [data::row(2.9, -0.7)]}))
        .send()
        .await
        .expect_problem(422, "invalid-request");
    assert_eq!(places(&problem), ["?tta"]);
    let inputs = ["height", "width"].map(|name| json!({"name": name, "shape": [1], "datatype": "FP64", "data": [1.0]}));
    let path = format!("/v2/models/{}/infer", other["name"].as_str().unwrap());
    let asked = json!({"inputs": inputs, "parameters": {"tta": "flips"}});
    let problem = client.post(&path).json(&asked).send().await.expect_problem(400, "invalid-inference");
    assert!(places(&problem).contains(&"/parameters/tta".to_owned()), "{problem:#}");
}
