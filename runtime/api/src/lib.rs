//! The control API over HTTP: routes, their types, and the OpenAPI document.
