//! The names in a path, and the query.
//!
//! Owns reading them, and the failures of wrong ones. Must not know what they are for.

use crate::failure::{ApiFailure, format_error_chain};
use crate::state::ApiState;
use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::str::FromStr;

/// The only name in the path. Text that is not a valid name is answered with 404: nothing can have that name.
pub(crate) struct PathName<T>(pub(crate) T);

impl<T> FromRequestParts<ApiState> for PathName<T>
where
    T: FromStr<Err: Display> + Send,
{
    type Rejection = ApiFailure;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiFailure> {
        let values = path_values(parts, state).await?;
        match values.as_slice() {
            [only] => Ok(PathName(parse_name(only)?)),
            _ => Err(ApiFailure::internal()),
        }
    }
}

/// The two names in the path; see [`PathName`].
pub(crate) struct PathNames<A, B>(pub(crate) A, pub(crate) B);

impl<A, B> FromRequestParts<ApiState> for PathNames<A, B>
where
    A: FromStr<Err: Display> + Send,
    B: FromStr<Err: Display> + Send,
{
    type Rejection = ApiFailure;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiFailure> {
        let values = path_values(parts, state).await?;
        match values.as_slice() {
            [first, second] => Ok(PathNames(parse_name(first)?, parse_name(second)?)),
            _ => Err(ApiFailure::internal()),
        }
    }
}

async fn path_values(parts: &mut Parts, state: &ApiState) -> Result<Vec<String>, ApiFailure> {
    let raw = RawPathParams::from_request_parts(parts, state).await;
    let raw = raw.map_err(|_| ApiFailure::not_found("the path is not UTF-8"))?;
    Ok(raw.iter().map(|(_, value)| value.to_owned()).collect())
}

fn parse_name<T: FromStr<Err: Display>>(text: &str) -> Result<T, ApiFailure> {
    text.parse()
        .map_err(|error: T::Err| ApiFailure::not_found(error.to_string()))
}

/// The parameters of the query. `T` refuses unknown parameters.
pub(crate) struct QueryParameters<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<ApiState> for QueryParameters<T> {
    type Rejection = ApiFailure;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiFailure> {
        let query = Query::from_request_parts(parts, state).await;
        let Query(parameters) = query.map_err(|rejection| {
            ApiFailure::bad_request("bad_query", format_error_chain(&rejection))
        })?;
        Ok(QueryParameters(parameters))
    }
}
