//! `dyno logs`: an app's log, as the server tells it.

use std::io::{BufRead, BufReader};

use anyhow::{Context, Result};
use grid::name::DynoId;

use serde_json::{Value, json};

use crate::args;
use crate::client::{TargetApp, escape};
use crate::terminal::{self, clean, colours, sgr};

pub(crate) fn run(args: &args::LogsArgs) -> Result<()> {
    let app = TargetApp::find(&args.on)?;
    let stream = app.client().open_stream(&app.path(&query(args)))?;
    let mut lines = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line);
        if read.context("the log broke off")? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\n');
        match app.server.json {
            true => terminal::print(&as_json(text).to_string())?,
            false => terminal::print(&coloured(&clean(text)))?,
        }
    }
    if args.tail && !app.server.json {
        terminal::note("Ended", "by the server");
    }
    Ok(())
}

/// A line as an object; what is not of the usual form is all text.
fn as_json(line: &str) -> Value {
    let parsed = line.split_once("]: ").and_then(|(head, text)| {
        let (at, source) = head.split_once(' ')?;
        let (source, dyno) = source.split_once('[')?;
        Some(json!({ "at": at, "source": source, "dyno": dyno, "text": text }))
    });
    parsed.unwrap_or_else(|| json!({ "at": null, "source": null, "dyno": null, "text": line }))
}

fn query(args: &args::LogsArgs) -> String {
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

/// `TIMESTAMP SOURCE[DYNO]:` in the dyno's colour, and the app's own colours after it; what is not of this form as it is.
fn coloured(line: &str) -> String {
    let Some((head, text)) = line.split_once("]: ") else {
        return line.to_owned();
    };
    let dyno = head.rsplit('[').next().unwrap_or_default();
    let style = match dyno.parse::<DynoId>() {
        Ok(dyno) => colours::of_dyno(dyno.process.as_str(), dyno.index),
        Err(_) => colours::of_the_rest(),
    };
    // Only the app's own text: others quote what strangers sent.
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

    #[test]
    fn colours_of_the_app_are_shown_and_those_of_strangers_are_not() {
        let of = |source: &str| {
            coloured(&format!(
                "2026-11-22T00:00:00.000000+00:00 {source}: a \\u{{1b}}[32mb"
            ))
        };
        assert!(of("app[web.1]").ends_with("a \u{1b}[32mb\u{1b}[0m"));
        assert!(of("dyno[router]").ends_with("a \\u{1b}[32mb"));
    }

    #[test]
    fn a_line_is_an_object() {
        let line = "2026-11-22T00:00:00.000000+00:00 app[web.1]: a]: \"b\"";
        let expected = json!({ "at": "2026-11-22T00:00:00.000000+00:00", "source": "app", "dyno": "web.1", "text": "a]: \"b\"" });
        assert_eq!(as_json(line), expected);
        assert_eq!(as_json("what")["text"], "what");
    }
}
