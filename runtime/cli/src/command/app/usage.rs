//! `dyno usage`: dyno-hours and price by app and process type.

use anyhow::Result;
use api::resource::{PageResource, UsageResource};

use crate::args;
use crate::client::{RemoteServer, escape};
use crate::terminal::{self, clean, format_moment, table};

pub(crate) fn run(args: &args::UsageArgs) -> Result<()> {
    let server = RemoteServer::find(&args.on)?.with_app_from_command_line();
    let since = args
        .since
        .as_deref()
        .map_or_else(String::new, |since| format!("?since={}", escape(since)));
    let (answer, all) = match &args.app {
        Some(app) => {
            let answer = server.client.get(&format!("/v1/apps/{app}/usage{since}"))?;
            let usage = if server.json {
                Vec::new()
            } else {
                vec![answer.read()?]
            };
            (answer, usage)
        }
        None => {
            let answer = server.client.list(&format!("/v1/usage{since}"))?;
            let usage = if server.json {
                Vec::new()
            } else {
                answer.read::<PageResource<UsageResource>>()?.items
            };
            (answer, usage)
        }
    };
    server.show(&answer, || {
        match all.first() {
            Some(first) => {
                let (since, until) = (format_start(&first.since), format_start(&first.until));
                terminal::print_note("From", &format!("{since} to {until}"));
            }
            None => terminal::print_note("No usage", "yet: dyno deploy"),
        }
        if all.is_empty() {
            Ok(())
        } else {
            terminal::print(&usage_table(&all))
        }
    })
}

/// A moment; only the date if it is midnight.
fn format_start(text: &str) -> String {
    let shown = format_moment(text);
    match shown.strip_suffix(" 00:00:00 UTC") {
        Some(day) => day.to_owned(),
        None => shown,
    }
}

/// A row for each process type and memory size. An app's price is in its first row; the last row has the sum of all apps.
fn usage_table(all: &[UsageResource]) -> String {
    let mut rows: Vec<[String; 5]> = Vec::new();
    for usage in all {
        let price = clean(&format!("{} {}", usage.price.amount, usage.price.currency));
        let app = clean(&usage.app);
        if usage.items.is_empty() {
            rows.push([app, "-".into(), "-".into(), "0".into(), price]);
            continue;
        }
        let mut heads = Some((app, price));
        for item in &usage.items {
            let (app, price) = heads.take().unwrap_or_default();
            rows.push([
                app,
                clean(&item.process),
                clean(&item.memory),
                clean(&item.hours),
                price,
            ]);
        }
    }
    if let Some(total) = sum_prices(all).filter(|_| all.len() > 1) {
        rows.push([
            "total".into(),
            String::new(),
            String::new(),
            String::new(),
            total,
        ]);
    }
    table(["app", "process", "memory", "dyno-hours", "price"], rows)
}

/// The sum of all prices, if they have one currency.
fn sum_prices(all: &[UsageResource]) -> Option<String> {
    let currency = &all.first()?.price.currency;
    let mut sum = 0.0;
    for usage in all {
        if usage.price.currency != *currency {
            return None;
        }
        sum += usage.price.amount.parse::<f64>().ok()?;
    }
    Some(clean(&format!("{sum:.2} {currency}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_app_has_one_price_and_prices_add_up() {
        let all: Vec<UsageResource> = serde_json::from_value(json!([
            { "app": "shop", "since": "", "until": "", "billed_seconds": 10_800,
              "items": [
                { "process": "web", "memory": "128MiB", "seconds": 14_400, "hours": "4.0000" },
                { "process": "worker", "memory": "64MiB", "seconds": 4_530, "hours": "1.2583" },
              ],
              "price": { "currency": "USD", "amount": "0.15" } },
            { "app": "idle", "since": "", "until": "", "billed_seconds": 0, "items": [],
              "price": { "currency": "USD", "amount": "0.10" } },
        ]))
        .expect("usage");
        let expected = "\
app    process  memory  dyno-hours  price
shop   web      128MiB  4.0000      0.15 USD
       worker   64MiB   1.2583
idle   -        -       0           0.10 USD
total                               0.25 USD";
        assert_eq!(usage_table(&all), expected);
        assert!(!usage_table(&all[..1]).contains("total"));
    }
}
