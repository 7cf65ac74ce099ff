//! Dyno time and its price.
//!
//! Owns how a bill is shown. Must not know how time is measured.

use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::request::extract::{PathName, QueryParameters};
use crate::request::paging::ListPaging;
use crate::resource::{PageResource, PriceResource, UsageItemResource, UsageResource};
use crate::state::ApiState;
use crate::text;
use axum::Json;
use axum::extract::State;
use grid::name::AppName;
use grid::time::Time;
use grid::usage::{Bill, compute_bills};
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::IntoParams;

/// The currency of all prices.
const CURRENCY: &str = "USD";

/// A period of time.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PeriodQuery {
    /// A date or a time (UTC); the first of this month if absent.
    since: Option<String>,
    /// A date or a time (UTC); now if absent.
    until: Option<String>,
}

/// A period of time, and which part of the list is requested.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PagedPeriodQuery {
    /// A date or a time (UTC); the first of this month if absent.
    since: Option<String>,
    /// A date or a time (UTC); now if absent.
    until: Option<String>,
    /// How many items at most; 200 if absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Items after this one: the value of `next` of the page before.
    #[param(max_length = 300)]
    after: Option<String>,
}

/// The start and the end of a period.
type Period = (Time, Time);

fn parse_period(now: Time, since: Option<&str>, until: Option<&str>) -> Result<Period, ApiFailure> {
    let until = until.map_or(Ok(now), text::parse_usage_time)?;
    let since = since.map_or(Ok(text::start_of_month(now)), text::parse_usage_time)?;
    Ok((since, until))
}

/// An amount of money in millionths of a dollar.
pub(crate) fn price_resource(micros: u64) -> PriceResource {
    PriceResource {
        currency: CURRENCY.to_owned(),
        amount: text::format_dollars(micros),
    }
}

fn usage_resource(app: &AppName, bill: &Bill, (since, until): Period) -> UsageResource {
    let items = bill.seconds.iter();
    UsageResource {
        app: app.to_string(),
        since: text::format_usage_time(since),
        until: text::format_usage_time(until),
        items: items
            .map(|((process, memory), seconds)| UsageItemResource {
                process: process.to_string(),
                memory: text::format_memory(*memory),
                seconds: *seconds,
                hours: text::format_hours(*seconds),
            })
            .collect(),
        billed_seconds: bill.billed_seconds,
        price: price_resource(bill.micros),
    }
}

/// The bills of one app, or of all apps, for a period.
async fn read_bills(
    state: &ApiState,
    app: Option<AppName>,
    (since, until): Period,
) -> Result<BTreeMap<AppName, Bill>, ApiFailure> {
    let (usage, prices) = (state.usage.clone(), state.settings.prices);
    let read = tokio::task::spawn_blocking(move || usage.intervals(app.as_ref(), since, until));
    let intervals = read.await.map_err(|_| ApiFailure::internal())??;
    Ok(compute_bills(&intervals, prices))
}

/// Dyno time of an app
#[utoipa::path(
    get, path = "/v1/apps/{app}/usage", operation_id = "show_usage", tag = "usage", params(PeriodQuery),
    responses((status = 200, description = "Dyno time and its price", body = UsageResource)),
)]
pub(crate) async fn show_usage(
    State(state): State<ApiState>,
    caller: Caller,
    PathName(name): PathName<AppName>,
    QueryParameters(query): QueryParameters<PeriodQuery>,
) -> Result<Json<UsageResource>, ApiFailure> {
    caller.visible_app(&name)?;
    let PeriodQuery { since, until } = query;
    let period = parse_period(state.usage.now(), since.as_deref(), until.as_deref())?;
    let mut bills = read_bills(&state, Some(name.clone()), period).await?;
    let bill = bills.remove(&name).unwrap_or_default();
    Ok(Json(usage_resource(&name, &bill, period)))
}

/// Dyno time of all apps
#[utoipa::path(
    get, path = "/v1/usage", operation_id = "list_usage", tag = "usage", params(PagedPeriodQuery),
    responses((status = 200, description = "Dyno time and its price by app", body = PageResource<UsageResource>)),
)]
pub(crate) async fn list_usage(
    State(state): State<ApiState>,
    caller: Caller,
    QueryParameters(query): QueryParameters<PagedPeriodQuery>,
) -> Result<Json<PageResource<UsageResource>>, ApiFailure> {
    let (since, until) = (query.since.as_deref(), query.until.as_deref());
    let period = parse_period(state.usage.now(), since, until)?;
    let paging = ListPaging::new(query.limit, query.after);
    let bills = read_bills(&state, caller.token.app.clone(), period).await?;
    let page = paging.cut_page(
        bills,
        |(app, _)| app.to_string(),
        |(app, bill)| usage_resource(&app, &bill, period),
    );
    page.map(Json)
}
