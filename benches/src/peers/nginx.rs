//! nginx: the pages as files, nothing written to a log.

use std::process::Command;

use anyhow::Result;

use super::PeerSite;
use crate::product::child_server::{ChildServer, free_port};

/// Called in reports and files.
const NAME: &str = "nginx";

pub(super) fn start(site: &PeerSite<'_>) -> Result<ChildServer> {
    let program = site.installer.debian(NAME, &[NAME])?;
    let port = free_port()?;
    let file = site.write(NAME, "nginx.conf", nginx_config(site, port))?;
    let mut command = Command::new(&program);
    command.arg("-c").arg(file).arg("-e").arg("stderr");
    let server = site.start(NAME, port, command)?;
    Ok(server.versioned(&program, "-v"))
}

/// In the foreground, with as many workers as the budget has threads. Files stay open, as they would
/// in a tuned server; a connection is closed after more requests than a turn has.
fn nginx_config(site: &PeerSite<'_>, port: u16) -> String {
    let folder = site.folder.join(NAME);
    let (folder, pages) = (folder.display(), site.pages.display());
    let workers = site.budget.threads;
    // Workers of a server that root starts belong to another user, who may not read the pages.
    let user = if rustix::process::geteuid().is_root() {
        "user root;\n"
    } else {
        ""
    };
    format!(
        "daemon off;\n{user}worker_processes {workers};\npid {folder}/pid;\nerror_log stderr;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n\
         \x20 access_log off; default_type text/plain; sendfile on; tcp_nopush on;\n\
         \x20 keepalive_requests 100000000; open_file_cache max=16;\n\
         \x20 client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n\
         \x20 uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
         \x20 server {{\n\
         \x20   listen 127.0.0.1:{port} backlog=1024; root \"{pages}\";\n\
         \x20   location = / {{ try_files /hello =404; }}\n\
         \x20 }}\n\
         }}\n"
    )
}
