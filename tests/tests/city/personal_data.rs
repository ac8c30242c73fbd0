//! What is known about people stands nowhere in the clear: not in the log, the read models, the providers' books,
//! the rejects, nor in what the server logs. Who may see it, sees it.

use crate::program::Installation;
use crate::sample::{self, Market, PLACE_ORDER};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const NAME: &str = "Wilhelmina Plantedname";
const EMAIL: &str = "wilhelmina@planted.example";
const PHONE: &str = "+966 55 0123 4567";
const STREET: &str = "77 Unmistakable Lane";

/// What is looked for: also without what stands around it, and in any case.
const PLANTED: [&str; 6] =
    ["plantedname", "wilhelmina", "planted.example", "0123 4567", "unmistakable", "77 unm"];

/// Files in which keys and their lookups lie are searched as well.
const FILES: [&str; 4] = ["log.db", "read.db", "keys.db", "sandbox.db"];

const REGISTER: &str = "mutation($input: RegisterCustomerInput!, $key: String!) {
    registerCustomer(input: $input, idempotencyKey: $key) { __typename
        ... on CustomerChanged { position customer { id contact { name email phone address } } }
        ... on Rejection { code field } } }";

const APPLY: &str = "mutation($input: ApplyAsVendorInput!, $key: String!) {
    applyAsVendor(input: $input, idempotencyKey: $key) { __typename
        ... on VendorChanged { vendor { id contact { name email phone address } } }
        ... on Rejection { code field } } }";

fn contact() -> Value {
    json!({ "name": NAME, "email": EMAIL, "phone": PHONE, "address": [STREET, "Riyadh"] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_given_to_the_city_is_read_by_those_who_may_and_found_in_no_file() {
    let at = Installation::in_files();
    let server = at.serve(&["--sample", "--set", "log_level=debug"]);
    let token = sample::admin(&at);
    let mut market = Market::of(&server, &token).await;

    let registered =
        server.ask(&token, REGISTER, json!({ "input": { "contact": contact() }, "key": "1" })).await;
    let customer = &registered["registerCustomer"]["customer"];
    assert_eq!(customer["contact"], contact());
    let introduction = json!({
        "handle": "corner-shop", "name": [{ "locale": "en", "text": "Corner Shop" }], "contact": contact(),
    });
    let applied =
        server.ask(&token, APPLY, json!({ "input": { "introduction": introduction }, "key": "1" })).await;
    assert_eq!(applied["applyAsVendor"]["vendor"]["contact"], contact());

    // Given again, given wrongly, asked for, and put where it does not belong.
    let again = server.ask(&token, REGISTER, json!({ "input": { "contact": contact() }, "key": "1" })).await;
    assert_eq!(again["registerCustomer"]["customer"], *customer);
    let mut unfit = contact();
    unfit["email"] = json!("wilhelmina at planted.example");
    let refused = server.ask(&token, REGISTER, json!({ "input": { "contact": unfit }, "key": "2" })).await;
    assert_eq!(refused["registerCustomer"]["field"], "contact.email");
    market.customer = customer["id"].clone();
    let placed = server.ask(&token, PLACE_ORDER, json!({ "input": market.order(1), "key": NAME })).await;
    assert_eq!(placed["placeOrder"]["__typename"], "OrderChanged", "{placed}");
    let position = &registered["registerCustomer"]["position"];
    let found = server
        .ask(
            &token,
            "query($email: String!, $position: Position) {
                customersByEmail(email: $email, atLeast: $position) { id contact { name email phone address } } }",
            json!({ "email": EMAIL.to_uppercase(), "position": position }),
        )
        .await;
    assert_eq!(found["customersByEmail"], json!([customer]));
    let literal = format!("{{ customersByEmail(email: \"{EMAIL}\") {{ id name: \"{NAME}\" }} }}");
    for wrong in [literal.as_str(), NAME, "{ customer(id: \"wilhelmina@planted.example\") { id } }"] {
        let answer = server.post(&token, wrong, json!({ "name": NAME })).await.unwrap();
        assert!(answer["errors"].is_array(), "{answer}");
    }
    let (status, _) = server.get("/graphql?query=%7Bme(name:%22Wilhelmina%20Plantedname%22)%7D").await;
    assert_eq!(status, 200);
    assert!(server.interrupt().success());

    refuse_rows_about_a_person(&at);

    let files = files_below(&at.path(""));
    for name in FILES.iter().chain(&["server.log", "rejects.csv"]) {
        assert!(files.iter().any(|file| file.ends_with(name)), "{name} was searched");
    }
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let bytes = fs::read(&file).unwrap().to_ascii_lowercase();
        if name == "rows.csv" || name == "sellers.csv" {
            continue;
        }
        for planted in PLANTED {
            let found = bytes.windows(planted.len()).any(|window| window == planted.as_bytes());
            assert!(!found, "{planted} in {name}");
        }
        if name == "log.db" {
            // What is no secret is found this way.
            assert!(bytes.windows(11).any(|window| window == b"corner-shop"));
        }
    }
}

/// Rows that are refused, with a person where an amount, a seller or a day should be.
fn refuse_rows_about_a_person(at: &Installation) {
    at.write("sellers.csv", &format!("seller_id,zip_prefix,city,state\nnorth,{STREET},{NAME},SP\n"));
    at.write("products.csv", "product_id\nlamp\n");
    let rest = "2018-03-01T00:00:00Z,";
    at.write(
        "rows.csv",
        &format!(
            "order_id,line,product_id,seller_id,unit_price,freight,currency,ship_by,order_status\n\
         fine,1,lamp,north,1.00,0.00,BRL,{rest}\n\
         a,1,lamp,north,{NAME},0.00,BRL,{rest}\n\
         b,1,lamp,{EMAIL},1.00,0.00,BRL,{rest}\n\
         c,1,lamp,north,1.00,0.00,{NAME},{rest}\n\
         d,1,lamp,north,1.00,0.00,BRL,{STREET},\n\
         e,1,lamp,north,1.00,0.00,BRL,2018-03-01T00:00:00Z,{NAME}\n\
         f,{PHONE},lamp,north,1.00,0.00,BRL,{rest}\n\
         g,1,{EMAIL},north,1.00,0.00,BRL,{rest}\n\
         {NAME},1,lamp,north,1.00,0.00,BRL,{rest}\n\
         h,1,lamp,north,{STREET}\n\
         i,1,lamp,north,1.00,0.00,b` {NAME},{rest}\n"
        ),
    );
    let ended = at.run(&[
        "--set",
        "log_level=debug",
        "import",
        "--tenant",
        "bazar",
        "--timezone",
        "America/Sao_Paulo",
        "--currency",
        "BRL",
        "--sellers",
        "sellers.csv",
        "--products",
        "products.csv",
        "--order-lines",
        "rows.csv",
    ]);
    assert_eq!(ended.code, Some(3), "{}", ended.complained);
    assert_eq!(at.read("rejects.csv").lines().count(), 1 + 10, "{}", at.read("rejects.csv"));
    at.write("import.log", &(ended.said + &ended.complained));
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
