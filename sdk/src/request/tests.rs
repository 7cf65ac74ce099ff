//! Tests of queries and forms: what fits a type, and what is refused with which status.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
struct Order {
    item: String,
    #[serde(default)]
    count: u32,
    #[serde(default)]
    tag: Vec<String>,
}

/// Runs a future that is ready at the first poll.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a body in memory is ready"),
    }
}

fn post(kind: &str, body: impl Into<Body>) -> Result<Order, Error> {
    let request = Request::post("/").header("content-type", kind);
    now(request.body(body.into()).expect("sound").form())
}

fn status(result: Result<Order, Error>) -> u16 {
    let error = result.expect_err("refused");
    let refused = error.downcast_ref::<Refused>().expect("a refusal");
    refused.status().as_u16()
}

#[test]
fn a_query_is_parsed_into_a_type() -> Result<(), Error> {
    let request =
        Request::get("/?item=caf%C3%A9+au+lait&count=2&tag=a&tag=b&other=1").body(Body::empty())?;
    let order: Order = request.query()?;
    assert_eq!((order.item.as_str(), order.count), ("café au lait", 2));
    assert_eq!(order.tag, ["a", "b"]);
    Ok(())
}

#[test]
fn an_invalid_query_gets_400() -> Result<(), Error> {
    for target in ["/", "/?item=x&count=many"] {
        let request = Request::get(target).body(Body::empty())?;
        assert_eq!(status(request.query()), 400, "{target}");
    }
    Ok(())
}

#[test]
fn a_form_is_parsed_into_a_type() -> Result<(), Error> {
    let order = post(
        "application/x-www-form-urlencoded; charset=UTF-8",
        "item=tea&count=1",
    )?;
    assert_eq!((order.item.as_str(), order.count), ("tea", 1));
    Ok(())
}

#[test]
fn forms_of_wrong_type_size_or_fields_are_refused() {
    assert_eq!(status(post("application/json", "{}")), 415);
    let long = format!("item={}", "x".repeat(FORM_BYTES_MAX));
    assert_eq!(status(post(FORM, long)), 413);
    assert_eq!(status(post(FORM, "count=1")), 400);
}
