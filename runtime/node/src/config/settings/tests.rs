//! Settings as a server gets them from flags and a file.

use router::{TrustedProxies, TrustedProxy};

use super::*;
use crate::config::SettingsFileError;

#[derive(Debug, thiserror::Error)]
enum TestError {
    #[error(transparent)]
    File(#[from] SettingsFileError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

/// The configuration that flags and a file give together.
fn build(flags: ServerSettings, file: &str) -> Result<NodeConfig, TestError> {
    let data = ServerSettings {
        data_folder: Some("/data".into()),
        ..ServerSettings::default()
    };
    let file = ServerSettings::from_toml(file)?;
    Ok(flags.or(file).or(data).build()?)
}

fn server(flags: ServerSettings, file: &str) -> ServerConfig {
    match build(flags, file).expect("settings").kind {
        NodeKind::Server(server) => *server,
        NodeKind::Local(_) => unreachable!("these are a server's settings"),
    }
}

fn no_flags() -> ServerSettings {
    ServerSettings::default()
}

#[test]
fn error_names_the_line_and_hides_its_text() {
    for (file, named) in [
        ("[services]\npostgresql = \"hunter2\"", "line 2"),
        ("[services.redis]\nurl = hunter2", "line 2"),
        ("[services.redis]\nurl = \"hunter2\" \"hunter2\"", "line 2"),
        ("[services.redis]\nurl = [\"hunter2\"]", "line 2: a value"),
        ("[services.redis]\nurl = \"hunter2\n", "line 2"),
        ("listen = \"hunter2\"", "line 1"),
    ] {
        let error = build(no_flags(), file).expect_err(file);
        let error = grid::text::error_chain(&error);
        assert!(error.contains(named), "{file}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn defaults_serve_this_machine_alone() {
    let config = build(no_flags(), "").expect("settings");
    let listen = config.listen_address().map(|address| address.to_string());
    assert_eq!(listen.as_deref(), Some("127.0.0.1:8080"));
    let api = config.api_address().map(|address| address.to_string());
    assert_eq!(api.as_deref(), Some("127.0.0.1:8081"));
    assert_eq!(config.domain(), Some("localhost"));
    let server = server(no_flags(), "");
    assert_eq!(server.policy.idle_after, Some(IDLE_AFTER));
    assert_eq!(server.policy.cycle_after, None);
    assert_eq!(server.prices, DynoPrices::default());
}

#[test]
fn flags_override_the_file() {
    let file = "listen = \"0.0.0.0:80\"\nidle-after = \"off\"\nprice = 0.5\nfree-dynos = 0\nkeep-releases = 3\n";
    let day = Duration::from_secs(86_400);
    let flags = ServerSettings {
        listen: Some("127.0.0.1:1234".parse().expect("an address")),
        cycle_after: Some(TimeOrOff::After(day)),
        ..no_flags()
    };
    let config = build(flags.clone(), file).expect("settings");
    let listen = config.listen_address().map(|address| address.to_string());
    assert_eq!(listen.as_deref(), Some("127.0.0.1:1234"));
    let server = server(flags, file);
    assert_eq!(server.policy.idle_after, None);
    assert_eq!(server.policy.cycle_after, Some(day));
    assert_eq!(server.policy.releases_kept, 3);
    let prices = DynoPrices {
        free_dynos: 0,
        micros_per_hour: 500_000,
    };
    assert_eq!(server.prices, prices);
}

#[test]
fn egress_openings_of_flags_replace_those_of_the_file() {
    let file = "egress-allow = [\"10.0.0.0/8\", \"[fd00::5]:5432\"]\n";
    let texts = |flags: &[&str]| {
        let openings = flags.iter().map(|text| text.parse().expect("an opening"));
        let flags = ServerSettings {
            egress_allow: openings.collect(),
            ..no_flags()
        };
        let config = build(flags, file).expect("settings");
        let texts = config.egress_allow.iter().map(ToString::to_string);
        texts.collect::<Vec<_>>()
    };
    assert_eq!(texts(&[]), ["10.0.0.0/8", "[fd00::5]/128:5432"]);
    let flags = ["127.0.0.1:11211", "10.1.0.0/16"];
    assert_eq!(texts(&flags), ["127.0.0.1/32:11211", "10.1.0.0/16"]);
}

#[test]
fn trusted_proxies_of_flags_replace_those_of_the_file() {
    let file = "trust-proxy = [\"10.0.0.0/8\", \"fd00::5\"]\n";
    let proxies = |texts: &[&str]| -> Vec<TrustedProxy> {
        let proxies = texts.iter().map(|text| text.parse().expect("a proxy"));
        proxies.collect()
    };
    let trusted = |texts: &[&str], file: &str| {
        let flags = ServerSettings {
            trusted_proxies: proxies(texts),
            ..no_flags()
        };
        server(flags, file).trusted_proxies
    };
    let of_file = TrustedProxies::from(proxies(&["10.0.0.0/8", "fd00::5/128"]));
    assert_eq!(trusted(&[], file), of_file);
    let of_flags = TrustedProxies::from(proxies(&["127.0.0.1/32", "::1/128"]));
    assert_eq!(trusted(&["127.0.0.1", "::1"], file), of_flags);
    assert_eq!(trusted(&[], ""), TrustedProxies::default());
}

#[test]
fn error_names_the_wrong_setting() {
    for (file, named) in [
        ("lisen = \"0.0.0.0:80\"", "lisen"),
        ("idle-after = \"soon\"", "idle-after"),
        ("idle-after = \"0s\"", "idle-after"),
        ("keep-releases = 0", "keep-releases"),
        ("price = \"cheap\"", "price"),
        ("grace = \"2h\"", "grace"),
        (
            "egress-allow = [\"db:5432\"]",
            "egress-allow has \"db:5432\"",
        ),
        ("egress-allow = [\"10.0.0.5/8\"]", "write 10.0.0.0/8"),
        ("trust-proxy = [\"nginx\"]", "trust-proxy has \"nginx\""),
        ("trust-proxy = [\"10.0.0.5/8\"]", "write 10.0.0.0/8"),
        ("domain = \"not a domain\"", "not a domain"),
        ("api-domain = [\"http://x\"]", "api-domain has"),
    ] {
        let error = build(no_flags(), file).expect_err(file);
        let error = grid::text::error_chain(&error);
        assert!(error.contains(named), "{file}: {error}");
    }
}
