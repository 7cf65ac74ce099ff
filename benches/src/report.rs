//! Figures as data, text and pages.

pub(crate) mod comparison;
pub(crate) mod document;
pub(crate) mod html;
pub(crate) mod idle_while_waiting;
pub(crate) mod statistics;
pub(crate) mod table;
pub(crate) mod text;
