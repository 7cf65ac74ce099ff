//! Python apps as clients: `https://` through the host by the usual libraries, and databases over sockets, with real
//! servers.

use testkit::servers::{Postgres, Redis};
use testkit::{DynoProcess, dyno_command};

use crate::app_folder::App;
use crate::https_server::HttpsServer;

const REQUIREMENTS: &str = "requests==2.34.2\nhttpx==0.28.1\npg8000==1.31.6\nredis==8.1.0\n";

/// The app runs the checks in a request of its web dyno.
#[test]
fn https_and_databases_work_with_unmodified_libraries() {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let app = App::new(&[
        ("requirements.txt", REQUIREMENTS),
        ("main.py", include_str!("client/checks.py")),
    ]);
    let https = HttpsServer::start(app.folder());
    let settings = format!(
        "HTTPS_URL=https://localhost:{}\nDATABASE_URL={}\nREDIS_URL={}\n",
        https.port,
        postgres.url(),
        redis.url()
    );
    app.write(".env", &settings);
    app.build_and_compile();
    let local = DynoProcess::start(
        dyno_command()
            .arg("local")
            .arg(app.folder())
            .args(["-p", "0"])
            .env("SSL_CERT_FILE", &https.root)
            .env_remove("SSL_CERT_DIR"),
    );
    for checks in [
        "Urllib",
        "Requests",
        "Urllib3",
        "Httpx",
        "Databases",
        "Sockets",
    ] {
        let told = local.get(&format!("/{checks}")).text();
        assert!(told.ends_with("\nOK\n"), "{told}");
    }
    assert!(local.stop().success());
}
