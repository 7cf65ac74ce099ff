//! `dyno logs`: prints an app's log.

use std::io::{BufRead, BufReader};

use anyhow::{Context, Result};
use grid::name::DynoId;

use serde_json::{Value, json};

use crate::args;
use crate::client::{RemoteApp, escape};
use crate::terminal::{self, clean, colours, sgr};

pub(crate) fn run(args: &args::LogsArgs) -> Result<()> {
    let app = RemoteApp::find(&args.on)?;
    let stream = app.client().open_stream(&app.path(&logs_path(args)))?;
    let mut lines = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line);
        if read.context("the connection to the log was lost")? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\n');
        match app.server.json {
            true => terminal::print(&line_to_json(text).to_string())?,
            false => terminal::print(&colour_line(&clean(text)))?,
        }
    }
    if args.tail && !app.server.json {
        terminal::print_note("Ended", "by the server");
    }
    Ok(())
}

/// A line as a JSON object. A line in another form becomes text alone.
fn line_to_json(line: &str) -> Value {
    let parsed = line.split_once("]: ").and_then(|(head, text)| {
        let (at, source) = head.split_once(' ')?;
        let (source, dyno) = source.split_once('[')?;
        Some(json!({ "at": at, "source": source, "dyno": dyno, "text": text }))
    });
    parsed.unwrap_or_else(|| json!({ "at": null, "source": null, "dyno": null, "text": line }))
}

fn logs_path(args: &args::LogsArgs) -> String {
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

/// `TIMESTAMP SOURCE[DYNO]:` in the dyno's colour, then the text with the app's own colours. A line in another form stays
/// as it is.
fn colour_line(line: &str) -> String {
    let Some((head, text)) = line.split_once("]: ") else {
        return line.to_owned();
    };
    let dyno = head.rsplit('[').next().unwrap_or_default();
    let style = match dyno.parse::<DynoId>() {
        Ok(dyno) => colours::of_dyno(dyno.process.as_str(), dyno.index),
        Err(_) => colours::of_the_rest(),
    };
    // Only in lines of the app: other lines quote what clients sent.
    let text = match head.contains(" app[") {
        true => sgr::with_colours(text),
        false => text.to_owned(),
    };
    format!("{style}{head}]:{style:#} {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_line_heads_are_coloured_and_texts_are_not() {
        let line = "2026-11-22T00:00:00.000000+00:00 app[web.1]: a]: b";
        let shown = colour_line(line);
        assert_eq!(anstream::adapter::strip_str(&shown).to_string(), line);
        assert!(shown.ends_with("\u{1b}[0m a]: b"), "{shown:?}");
        assert_ne!(
            shown,
            colour_line(&line.replace("web.1", "web.2")).replace("web.2", "web.1")
        );
        assert_eq!(colour_line("no such form"), "no such form");
    }

    #[test]
    fn colours_of_the_app_are_shown_and_other_escapes_are_not() {
        let of = |source: &str| {
            colour_line(&format!(
                "2026-11-22T00:00:00.000000+00:00 {source}: a \\u{{1b}}[32mb"
            ))
        };
        assert!(of("app[web.1]").ends_with("a \u{1b}[32mb\u{1b}[0m"));
        assert!(of("dyno[router]").ends_with("a \\u{1b}[32mb"));
    }

    #[test]
    fn a_log_line_becomes_a_json_object() {
        let line = "2026-11-22T00:00:00.000000+00:00 app[web.1]: a]: \"b\"";
        let expected = json!({ "at": "2026-11-22T00:00:00.000000+00:00", "source": "app", "dyno": "web.1", "text": "a]: \"b\"" });
        assert_eq!(line_to_json(line), expected);
        assert_eq!(line_to_json("what")["text"], "what");
    }
}
