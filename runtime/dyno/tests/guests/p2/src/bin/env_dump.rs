//! Prints everything that the guest can see of its environment: variables, arguments, working directory, preopened
//! folders. The host must show exactly the values of the app, and none of the host or of another app.

use guests_p2::raw;
use wasip2::cli::environment;
use wasip2::filesystem::preopens::get_directories;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

guests_p2::guest!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut lines: Vec<String> = environment::get_environment()
        .into_iter()
        .map(|(name, value)| format!("env {name}={value}\n"))
        .collect();
    lines.sort();
    let arguments = environment::get_arguments().into_iter();
    lines.extend(arguments.map(|argument| format!("arg {argument}\n")));
    lines.push(format!("cwd {:?}\n", environment::initial_cwd()));
    let folders = get_directories().into_iter();
    lines.extend(folders.map(|(_, path)| format!("dir {path}\n")));
    raw::reply(out, 200, &lines.concat());
}
