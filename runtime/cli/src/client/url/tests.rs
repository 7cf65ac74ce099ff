//! Tests of server addresses as users type them.

use super::*;

#[test]
fn all_notations_of_a_server_give_one_url() {
    for (text, expected) in [
        ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("http://127.0.0.1:8081/", "http://127.0.0.1:8081"),
        ("HTTPS://API.Example.com/", "https://api.example.com"),
        ("localhost:8081", "http://localhost:8081"),
        ("[::1]:8081", "http://[::1]:8081"),
        ("api.example.com", "https://api.example.com"),
    ] {
        let url: ServerUrl = text.parse().expect(text);
        assert_eq!(url.to_string(), expected);
    }
    let url = |text: &str| text.parse::<ServerUrl>().expect(text);
    assert!(url("http://localhost:1").is_loopback() && url("http://[::1]").is_loopback());
    assert!(url("http://api.example.com").is_open() && !url("http://localhost").is_open());
    assert!(!url("https://api.example.com").is_open());
}

#[test]
fn invalid_server_urls_are_refused_without_printing_the_password() {
    for text in [
        "",
        "ftp://x",
        "http://",
        "http://x/v1",
        "http://x/?a=b",
        "http:// x",
        "x y",
    ] {
        assert!(text.parse::<ServerUrl>().is_err(), "{text:?}");
    }
    let error = "http://me:secret@x"
        .parse::<ServerUrl>()
        .expect_err("refused");
    assert!(!error.to_string().contains("secret"), "{error}");
}
