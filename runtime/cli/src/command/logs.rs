//! `dyno logs`: an app's log, as the server tells it.

use std::io::{BufRead, BufReader};

use anyhow::{Context, Result};
use grid::name::DynoId;

use crate::args::{self, OnApp, OnServer};
use crate::client::{App, escape};
use crate::term::{self, clean, colours};

pub(crate) fn run(args: &args::Logs) -> Result<()> {
    let server = OnServer {
        server: args.server.clone(),
        json: false,
    };
    let app = App::of(&OnApp {
        app: args.app.clone(),
        server,
    })?;
    let stream = app.client().stream(&app.path(&query(args)))?;
    let mut lines = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line);
        if read.context("the log broke off")? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        term::print(&coloured(&clean(text.trim_end_matches('\n'))))?;
    }
    if args.tail {
        term::note("Ended", "by the server");
    }
    Ok(())
}

fn query(args: &args::Logs) -> String {
    let mut query = format!("/logs?n={}", args.num);
    if args.tail {
        query.push_str("&tail=true");
    }
    if let Some(dyno) = &args.dyno {
        query.push_str(&format!("&dyno={}", escape(&dyno.0)));
    }
    if let Some(source) = args.source {
        query.push_str(&format!("&source={}", source.name()));
    }
    query
}

/// `TIMESTAMP SOURCE[DYNO]:` in the dyno's colour; what is not of this form as it is.
fn coloured(line: &str) -> String {
    let Some((head, text)) = line.split_once("]: ") else {
        return line.to_owned();
    };
    let dyno = head.rsplit('[').next().unwrap_or_default();
    let style = match dyno.parse::<DynoId>() {
        Ok(dyno) => colours::of_dyno(dyno.process.as_str(), dyno.index),
        Err(_) => colours::of_the_rest(),
    };
    format!("{style}{head}]:{style:#} {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_have_colours_and_texts_have_none() {
        let line = "2026-11-22T00:00:00.000000+00:00 app[web.1]: a]: b";
        let shown = coloured(line);
        assert_eq!(anstream::adapter::strip_str(&shown).to_string(), line);
        assert!(shown.ends_with("\u{1b}[0m a]: b"), "{shown:?}");
        assert_ne!(
            shown,
            coloured(&line.replace("web.1", "web.2")).replace("web.2", "web.1")
        );
        assert_eq!(coloured("no such form"), "no such form");
    }
}
