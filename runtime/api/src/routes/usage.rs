//! Dyno time and its price.
//!
//! Owns how a bill is shown. Must not know how time is measured.

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::request::extract::{Path, Query};
use crate::request::page::{Page, Paging};
use crate::state::State;
use crate::text;
use axum::Json;
use axum::extract::State as With;
use grid::name::AppName;
use grid::time::Time;
use grid::usage::{Bill, compute_bills};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Dyno time of one process type and size.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsageItem {
    process: String,
    #[schema(pattern = "^[0-9]+(B|MiB|GiB)$")]
    memory: String,
    seconds: u64,
    /// The same in hours.
    #[schema(pattern = "^[0-9]+[.][0-9]{4}$")]
    hours: String,
}

/// An amount of money.
#[derive(Serialize, ToSchema)]
pub(crate) struct Price {
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: &'static str,
    #[schema(pattern = "^[0-9]+[.][0-9]{2,6}$")]
    amount: String,
}

impl Price {
    /// An amount in millionths of a dollar.
    pub(crate) fn of_micros(micros: u64) -> Price {
        Price {
            currency: "USD",
            amount: text::dollars(micros),
        }
    }
}

/// Dyno time of an app.
#[derive(Serialize, ToSchema)]
pub(crate) struct Usage {
    app: String,
    #[schema(format = DateTime)]
    since: String,
    #[schema(format = DateTime)]
    until: String,
    items: Vec<UsageItem>,
    /// Seconds beyond those that are free.
    billed_seconds: u64,
    price: Price,
}

/// From when to when.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Period {
    /// A date or a time (UTC); the first of this month if it is not said.
    since: Option<String>,
    /// A date or a time (UTC); now if it is not said.
    until: Option<String>,
}

/// From when to when, a page at a time.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PagedPeriod {
    /// A date or a time (UTC); the first of this month if it is not said.
    since: Option<String>,
    /// A date or a time (UTC); now if it is not said.
    until: Option<String>,
    /// How many items at most; 200 if it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Items behind this one, as `next` of the page before has it.
    #[param(max_length = 300)]
    after: Option<String>,
}

fn period(now: Time, since: Option<&str>, until: Option<&str>) -> Result<(Time, Time), Failure> {
    let until = until.map_or(Ok(now), text::parsed_time)?;
    let since = since.map_or(Ok(text::month_start(now)), text::parsed_time)?;
    Ok((since, until))
}

fn shown(app: &AppName, bill: &Bill, (since, until): (Time, Time)) -> Usage {
    let items = bill.seconds.iter();
    Usage {
        app: app.to_string(),
        since: text::usage_time(since),
        until: text::usage_time(until),
        items: items
            .map(|((process, memory), seconds)| UsageItem {
                process: process.to_string(),
                memory: text::size(*memory),
                seconds: *seconds,
                hours: text::hours(*seconds),
            })
            .collect(),
        billed_seconds: bill.billed_seconds,
        price: Price::of_micros(bill.micros),
    }
}

async fn billed(
    state: &State,
    app: Option<AppName>,
    (since, until): (Time, Time),
) -> Result<BTreeMap<AppName, Bill>, Failure> {
    let (usage, prices) = (state.usage.clone(), state.settings.prices);
    let read = tokio::task::spawn_blocking(move || usage.intervals(app.as_ref(), since, until));
    let intervals = read.await.map_err(|_| Failure::internal())??;
    Ok(compute_bills(&intervals, prices))
}

/// Dyno time of an app
#[utoipa::path(
    get, path = "/v1/apps/{app}/usage", operation_id = "show_usage", tag = "usage", params(Period),
    responses((status = 200, description = "Dyno time and its price", body = Usage)),
)]
pub(crate) async fn of_app(
    With(state): With<State>,
    caller: Caller,
    Path(name): Path<AppName>,
    Query(wanted): Query<Period>,
) -> Result<Json<Usage>, Failure> {
    caller.app(&name)?;
    let period = period(
        state.usage.now(),
        wanted.since.as_deref(),
        wanted.until.as_deref(),
    )?;
    let mut bills = billed(&state, Some(name.clone()), period).await?;
    let bill = bills.remove(&name).unwrap_or_default();
    Ok(Json(shown(&name, &bill, period)))
}

/// Dyno time of all apps
#[utoipa::path(
    get, path = "/v1/usage", operation_id = "list_usage", tag = "usage", params(PagedPeriod),
    responses((status = 200, description = "Dyno time and its price by app", body = Page<Usage>)),
)]
pub(crate) async fn of_all(
    With(state): With<State>,
    caller: Caller,
    Query(wanted): Query<PagedPeriod>,
) -> Result<Json<Page<Usage>>, Failure> {
    let period = period(
        state.usage.now(),
        wanted.since.as_deref(),
        wanted.until.as_deref(),
    )?;
    let paging = Paging::new(wanted.limit, wanted.after);
    let bills = billed(&state, caller.token.app.clone(), period).await?;
    let page = paging.page(
        bills,
        |(app, _)| app.to_string(),
        |(app, bill)| shown(&app, &bill, period),
    );
    page.map(Json)
}
