//! Over HTTP: tokens, limits, correlation, and a stop that loses nothing.

use crate::city::{City, admin_of_the_city, noon};
use cityos_gateway::server::Server;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn the_server_answers_health_and_the_root_s_name_to_anyone_and_the_rest_to_tokens() {
    let city = City::still(|settings| settings.body_bytes_max = 2_000).await;
    let server = Server::bind(city.app.clone()).unwrap();
    let (address, stopper) = (server.address(), server.stopper());
    let serving = tokio::spawn(server.run());
    let url = |path: &str| format!("http://{address}{path}");
    let http = Client::new();

    assert_eq!(http.get(url("/health")).send().await.unwrap().status(), StatusCode::OK);
    let page = http.get(url("/graphiql")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("/graphql"), "{page}");

    let correlation = "7d3f4c52-8a43-4a0e-9b5a-3a1a4f3b2c1d";
    let post = |body: Value| http.post(url("/graphql")).json(&body).header("x-request-id", correlation);
    let named = post(json!({ "query": "{ __typename }" })).send().await.unwrap();
    assert_eq!(named.headers()["x-request-id"], correlation);
    assert_eq!(named.json::<Value>().await.unwrap()["data"]["__typename"], "Query");

    let me = json!({ "query": "{ me { subject roles } }" });
    let code = |answer: Value| answer["errors"][0]["extensions"]["code"].clone();
    let unknown = post(me.clone()).send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(unknown["errors"][0]["extensions"]["correlation"], correlation);
    assert_eq!(code(unknown), "UNAUTHENTICATED");
    let forged = post(me.clone()).bearer_auth("forged").send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(code(forged), "UNAUTHENTICATED");
    let (token, _) = city.app.services().tokens.as_ref().unwrap().issue(&admin_of_the_city(), noon());
    let known = post(me.clone()).bearer_auth(&token).send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(known["data"]["me"], json!({ "subject": "ada", "roles": ["PLATFORM_ADMIN"] }));
    let asked = http.get(url("/graphql?query=%7Bme%7Bsubject%7D%7D")).bearer_auth(&token);
    assert_eq!(asked.send().await.unwrap().json::<Value>().await.unwrap()["data"]["me"]["subject"], "ada");

    let long = post(json!({ "query": " ".repeat(2_001) })).send().await.unwrap();
    assert_eq!(long.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(code(long.json().await.unwrap()), "BODY_TOO_LARGE");
    let plain = http.post(url("/graphql")).body(me.to_string()).send().await.unwrap();
    assert_eq!(plain.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let broken =
        http.post(url("/graphql")).header("content-type", "application/json").body("{").send().await.unwrap();
    assert_eq!(broken.status(), StatusCode::BAD_REQUEST);
    let link = "/graphql?query=mutation%7Bsomething%7B__typename%7D%7D";
    let linked = http.get(url(link)).bearer_auth(&token).send().await.unwrap();
    assert_eq!(linked.status(), StatusCode::METHOD_NOT_ALLOWED);

    stopper.stop().await;
    serving.await.unwrap().unwrap();
    assert!(http.get(url("/health")).send().await.is_err());
}
