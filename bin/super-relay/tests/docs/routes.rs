//! The routes of the KMS in docs/api.md are those of the code.

use kms_api::Method;
use kms_api::routes;

use super::markdown::table;
use super::project;

#[test]
fn the_routes_of_the_kms_are_those_of_its_table() {
    let shown: Vec<String> = table(&project::read("docs/api.md"), "## HTTP of the KMS")
        .iter()
        .map(|row| row[0].split('?').next().unwrap().to_owned())
        .collect();
    let method = |method: &Method| match method {
        Method::Get => "GET",
        Method::Post => "POST",
    };
    let wanted: Vec<String> = routes::ALL.iter().map(|(how, path)| format!("{} {path}", method(how))).collect();
    assert_eq!(shown, wanted);
}
