//! The contract between whatever routes a request and whatever runs it.
