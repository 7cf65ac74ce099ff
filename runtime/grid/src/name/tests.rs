//! Names: which texts are accepted and refused, and that accepted names print as they were written.

use proptest::prelude::*;

use super::*;

fn is<T: std::str::FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

#[test]
fn valid_app_names_are_parsed_and_others_refused() {
    for good in ["abc", "a-b", "a00", "hello-world", &"a".repeat(30)] {
        assert!(is::<AppName>(good), "{good}");
    }
    for bad in [
        "",
        "ab",
        "1ab",
        "-ab",
        "ab-",
        "aB1",
        "a.b",
        "a_b",
        "äbc",
        &"a".repeat(31),
    ] {
        assert!(!is::<AppName>(bad), "{bad}");
    }
}

#[test]
fn valid_process_types_are_parsed_and_others_refused() {
    for good in ["w", "web", "my_worker-2", &"a".repeat(30)] {
        assert!(is::<ProcessType>(good), "{good}");
    }
    for bad in ["", "2web", "_w", "Web", "a.b", &"a".repeat(31)] {
        assert!(!is::<ProcessType>(bad), "{bad}");
    }
    assert!(ProcessType::web().is_web());
}

#[test]
fn valid_node_ids_are_parsed_and_others_refused() {
    for good in ["n", "1", "n1.example.com", &"a".repeat(63)] {
        assert!(is::<NodeId>(good), "{good}");
    }
    for bad in ["", ".a", "-a", "A", "a b", &"a".repeat(64)] {
        assert!(!is::<NodeId>(bad), "{bad}");
    }
}

#[test]
fn valid_dyno_ids_are_parsed_and_others_refused() {
    let dyno: DynoId = "web.12".parse().expect("valid");
    assert_eq!((dyno.process.as_str(), dyno.index), ("web", 12));
    for bad in [
        "",
        "web",
        "web.",
        "web.0",
        "web.01",
        "web.+1",
        "web.-1",
        ".1",
        "web.4294967296",
    ] {
        assert!(!is::<DynoId>(bad), "{bad}");
    }
}

#[test]
fn valid_versions_are_parsed_and_others_refused() {
    assert_eq!(
        "v42".parse::<Version>().expect("valid").next().to_string(),
        "v43"
    );
    for bad in ["", "v", "v0", "42", "v01", "v+1", "V1", "v4294967296"] {
        assert!(!is::<Version>(bad), "{bad}");
    }
}

#[test]
fn valid_hostnames_are_parsed_and_others_refused() {
    assert_eq!(
        "Hello.LOCALHOST"
            .parse::<Hostname>()
            .expect("valid")
            .as_str(),
        "hello.localhost"
    );
    assert_eq!(
        "a.example.".parse::<Hostname>().expect("valid").as_str(),
        "a.example"
    );
    let long_label = "a".repeat(64);
    let long = [
        "a".repeat(63),
        "b".repeat(63),
        "c".repeat(63),
        "d".repeat(62),
    ]
    .join(".");
    let bad = [
        "",
        ".",
        "..",
        "a..b",
        "-a",
        "a-",
        "a_b",
        "a b",
        "a:80",
        "127.0.0.1",
        "1",
        "[::1]",
        "::1",
        "a/b",
        "ä.de",
        &long_label,
        &long,
    ];
    for bad in bad {
        assert!(!is::<Hostname>(bad), "{bad}");
    }
}

#[test]
fn valid_slug_ids_are_parsed_and_others_refused() {
    let slug = SlugId::new([0xAB; 32]);
    assert_eq!(slug.to_string(), format!("sha256:{}", "ab".repeat(32)));
    assert_eq!(slug.hex().parse(), Ok(slug));
    assert_eq!(slug.hex().to_uppercase().parse(), Ok(slug));
    for bad in ["", "sha256:", "sha512:aa", &"g".repeat(64), &"a".repeat(63)] {
        assert!(!is::<SlugId>(bad), "{bad}");
    }
}

#[test]
fn dyno_keys_print_app_dyno_and_run() {
    let key = DynoKey {
        app: "hello".parse().expect("valid"),
        dyno: "web.1".parse().expect("valid"),
        run: Run(7),
    };
    assert_eq!(key.to_string(), "hello/web.1#7");
}

#[test]
fn endpoints_have_a_host_and_a_port() {
    for text in ["127.0.0.1:5432", "[::1]:6379", "db.internal:1"] {
        let endpoint: Endpoint = text.parse().expect("valid");
        assert_eq!(endpoint.to_string(), text);
    }
    for text in [
        "", "db", "db:0", "db:+1", "db:65536", "::1:80", "[::1", "[x]:1", "a b:1", "1.2.3:4",
    ] {
        assert!(!is::<Endpoint>(text), "{text}");
    }
}

#[test]
fn errors_name_the_rule_and_stay_short() {
    let error = "X"
        .repeat(10_000)
        .parse::<AppName>()
        .expect_err("too long")
        .to_string();
    assert!(error.contains("3 to 30") && error.len() < 300, "{error}");
}

proptest! {
    #[test]
    fn accepted_names_print_as_they_were_parsed(text in ".{0,40}") {
        if let Ok(name) = text.parse::<AppName>() { prop_assert_eq!(name.to_string(), text.clone()); }
        if let Ok(name) = text.parse::<ProcessType>() { prop_assert_eq!(name.to_string(), text.clone()); }
        if let Ok(name) = text.parse::<NodeId>() { prop_assert_eq!(name.to_string(), text.clone()); }
        if let Ok(name) = text.parse::<DynoId>() { prop_assert_eq!(name.to_string(), text.clone()); }
        if let Ok(name) = text.parse::<Version>() { prop_assert_eq!(name.to_string(), text.clone()); }
        if let Ok(name) = text.parse::<Hostname>() {
            prop_assert_eq!(name.as_str().parse::<Hostname>(), Ok(name.clone()));
        }
    }

    #[test]
    fn generated_names_are_accepted(
        app in "[a-z][a-z0-9-]{1,28}[a-z0-9]",
        process in "[a-z][a-z0-9_-]{0,29}",
        index in 1u32..,
        digest in any::<[u8; 32]>(),
    ) {
        prop_assert!(is::<AppName>(&app));
        let dyno = DynoId { process: process.parse().expect("valid"), index };
        prop_assert_eq!(dyno.to_string().parse(), Ok(dyno));
        let slug = SlugId::new(digest);
        prop_assert_eq!(slug.to_string().parse(), Ok(slug));
    }
}
